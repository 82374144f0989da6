//! The path of one call: find its route, throw the dice, do the work, answer as badly as the dice say.

mod ask;
mod shelf;
mod submit;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::json;

use crate::apis::{APIS, Answer, Api, Place, Refusal, Route};
use crate::desk::{Desk, now_ms};
use crate::faults::{CallFault, CallKind, CallPlan, Faults};
use crate::media::Motif;
use crate::reply::{self, Body, Cut, Reply};
use crate::task::{Kind, NTH, Progress, Task};
use submit::Ask;

/// The largest body: what the contract asks a host to take, and some room for the JSON around it.
const BODY_BYTES_MAX: usize = 65 * 1024 * 1024;
/// How long a body may take to arrive.
const BODY_WAIT_MAX: Duration = Duration::from_secs(120);

const JSON: &str = "application/json";

/// Answers one call; [`Cut`] closes the connection without an answer.
pub(crate) async fn answer(desk: &Arc<Desk>, request: Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    if let Some(name) = head.uri.path().strip_prefix("/media/") {
        return media(desk, &head, name).await;
    }
    if head.method == Method::GET && head.uri.path() == "/sandbox/ledger" {
        return Ok(ledger(desk).await);
    }
    let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
    let Some((api, own_path, route)) = find(&head.method, path, query) else {
        desk.counters.count_call("other".into());
        return Ok(not_found("the sandbox has no such path"));
    };
    let before = &path[..path.len() - own_path.len()];
    let place = Place { base_url: &format!("http://{}{before}", host_of(&head)), path: own_path };
    let ask = |kind, from| Ask { api, kind, place, from };
    match route {
        Route::Submit(kind) => submit::at_once(desk, &ask(kind, None), (&head, body)).await,
        Route::Generate(kind) => submit::with_result(desk, &ask(kind, None), (&head, body)).await,
        Route::Derive { kind, id } => submit::at_once(desk, &ask(kind, Some(&id)), (&head, body)).await,
        Route::Poll { id, kind } => poll(desk, api, (&head, &place), (&id, kind)).await,
        Route::Ask(kind) => ask::poll(desk, (api, kind), (&head, &place), body).await,
        Route::File { id, nth } => Ok(ask::file(desk, api, &head, (&id, nth))),
        Route::Content { id } => content(desk, api, &head, &id).await,
        Route::Cancel { id } => Ok(cancel(desk, api, (&head, &place), &id)),
        Route::Upload => Ok(upload::take(desk, api, (&head, &place), body).await),
        Route::List(kind) => Ok(shelf::list(desk, (api, kind), (&head, &place))),
        Route::Delete { id } => Ok(shelf::delete(desk, api, &head, &id)),
    }
}

/// Whose call it is, and its path as that API knows it. Each API is also there behind its name (`/kie/api/v1/...`), where
/// no other can claim its paths.
fn find<'a>(method: &Method, path: &'a str, query: &str) -> Option<(&'static dyn Api, &'a str, Route)> {
    let behind_name = |api: &&'static dyn Api| {
        let own = path.strip_prefix('/')?.strip_prefix(api.name()).filter(|rest| rest.starts_with('/'))?;
        Some((*api, own, api.route(method, own, query)?))
    };
    let plain = |api: &&'static dyn Api| Some((*api, path, api.route(method, path, query)?));
    APIS.iter().find_map(behind_name).or_else(|| APIS.iter().find_map(plain))
}

async fn poll(
    desk: &Desk,
    api: &dyn Api,
    (head, place): (&Parts, &Place<'_>),
    (id, kind): (&str, Option<Kind>),
) -> Reply {
    let key = api.key_in(&head.headers);
    desk.counters.count_call_with(key, format!("{}.poll", api.name()));
    if let Err(refusal) = desk.admit(key) {
        return Ok(reply::json(&api.encode_refusal(&refusal)));
    }
    let by_name = || api.finds_by_own_name().then(|| desk.task_named(api, id)).flatten();
    let task = desk.task(api, id).or_else(by_name);
    let task = task.filter(|task| kind.is_none_or(|kind| kind == task.order.kind));
    let task = task.map(|task| if api.follows(place) { Arc::new(task.follow_up()) } else { task });
    let plan = plan_call(
        desk,
        CallKind::Poll,
        &faults_of_accepted(desk, task.as_ref().map(|task| &*task.order.prompt)),
    );
    let answer = match (refusal_of(plan), &task) {
        (Some(refusal), _) => api.encode_refusal(&refusal),
        (None, None) => api.encode_refusal(&Refusal::UnknownTask),
        (None, Some(task)) if desk.is_stopped(&task.id) => api.encode_stopped(task, place),
        (None, Some(task)) if api.delivers() && task.progress(now_ms()) == Progress::Succeeded => {
            submit::delivered(desk, api, task, (host_of(head), place)).await
        }
        (None, Some(task)) => {
            let url = format!("http://{}{}", host_of(head), task.media_path());
            api.encode_progress(task, task.progress(now_ms()), &url, place)
        }
    };
    deliver(desk, plan, reply::json(&answer)).await
}

/// Stops a task if it is still at work.
fn cancel(desk: &Desk, api: &dyn Api, (head, place): (&Parts, &Place<'_>), id: &str) -> Response<Body> {
    desk.counters.count_call(format!("{}.cancel", api.name()));
    let admitted = desk.admit(api.key_in(&head.headers));
    let answer = match (admitted, desk.task(api, id)) {
        (Err(refusal), _) => api.encode_refusal(&refusal),
        (Ok(()), None) => api.encode_refusal(&Refusal::UnknownTask),
        (Ok(()), Some(task)) => {
            let in_time = api.can_stop(task.progress(now_ms())) && desk.stop_task(&task);
            api.encode_cancel(&task, in_time, place)
        }
    };
    reply::json(&answer)
}

async fn media(desk: &Desk, head: &Parts, name: &str) -> Reply {
    desk.counters.count_call("media".into());
    let found = name.rsplit_once('.').and_then(|(name, extension)| {
        let (id, nth) = name.split_once(NTH).unwrap_or((name, "0"));
        let (task, nth) = (desk.ledger.task(id)?, nth.parse().ok()?);
        let is_there = task.order.kind.extension() == extension && nth < task.count && !desk.is_deleted(id);
        is_there.then_some((task, nth))
    });
    let is_read = matches!(head.method, Method::GET | Method::HEAD);
    let is_done = |task: &Task| is_read && task.progress(now_ms()) == Progress::Succeeded;
    let Some((task, nth)) = found.filter(|(task, _)| is_done(task)) else {
        return Ok(not_found("there is no such media, or not yet"));
    };
    deliver_media(desk, head, (&task, nth)).await
}

/// The media of a task at a path of its API.
async fn content(desk: &Desk, api: &dyn Api, head: &Parts, id: &str) -> Reply {
    desk.counters.count_call(format!("{}.content", api.name()));
    if let Err(refusal) = desk.admit(api.key_in(&head.headers)) {
        return Ok(reply::json(&api.encode_refusal(&refusal)));
    }
    let task = desk.task(api, id).filter(|_| !desk.is_stopped(id));
    match task.filter(|task| task.progress(now_ms()) == Progress::Succeeded) {
        Some(task) => deliver_media(desk, head, (&task, 0)).await,
        None => Ok(reply::json(&api.encode_refusal(&Refusal::UnknownTask))),
    }
}

/// The file of a result, as badly as the dice say.
async fn deliver_media(desk: &Desk, head: &Parts, (task, nth): (&Task, u32)) -> Reply {
    let plan = plan_call(desk, CallKind::Media, &faults_of_accepted(desk, Some(&task.order.prompt)));
    pause(desk, plan.wait).await?;
    let media_type = task.order.kind.media_type();
    match plan.fault {
        Some(CallFault::Error) => return Ok(plain(StatusCode::INTERNAL_SERVER_ERROR)),
        Some(CallFault::TooMany) => return Ok(plain(StatusCode::TOO_MANY_REQUESTS)),
        Some(CallFault::Hang) => return hang(desk).await,
        Some(CallFault::Garbage) => return Ok(reply::garbage(media_type)),
        Some(CallFault::Cut | CallFault::Reuse) | None => {}
    }
    match desk.studio.open_file(Motif::of(&task.order, nth)).await {
        Ok(file) if plan.fault == Some(CallFault::Cut) => Ok(reply::torn_file(media_type, &file)),
        Ok(file) => Ok(reply::file(media_type, file, text_of(head, &header::RANGE))),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "media could not be had");
            Ok(plain(StatusCode::INTERNAL_SERVER_ERROR))
        }
    }
}

/// The ledger as JSON. Read from disk, so it says what a restart would find.
async fn ledger(desk: &Desk) -> Response<Body> {
    let lines = match desk.ledger.lines().await {
        Ok(lines) => lines,
        Err(error) => {
            tracing::error!(%error, "the ledger could not be read");
            return plain(StatusCode::INTERNAL_SERVER_ERROR);
        }
    };
    let (calls, keys, faults) = desk.counters.encode();
    let entries = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect::<Vec<_>>();
    let mut body = br#"{"entries":["#.to_vec();
    body.extend(entries.join(&b','));
    body.extend(format!(r#"],"calls":{calls},"calls_by_key":{keys},"faults":{faults}}}"#).into_bytes());
    reply::bytes(StatusCode::OK, JSON, body.into())
}

/// Waits as long as the plan says, then answers, or not, as it says.
async fn deliver(desk: &Desk, plan: CallPlan, answer: Response<Body>) -> Reply {
    pause(desk, plan.wait).await?;
    match plan.fault {
        Some(CallFault::Hang) => hang(desk).await,
        Some(CallFault::Cut) => Err(Cut),
        Some(CallFault::Garbage) => Ok(reply::garbage(JSON)),
        Some(CallFault::Error | CallFault::TooMany | CallFault::Reuse) | None => Ok(answer),
    }
}

/// Never answers; a server that stops cuts the connection.
async fn hang(desk: &Desk) -> Reply {
    desk.stopped().await;
    Err(Cut)
}

async fn pause(desk: &Desk, wait: Duration) -> Result<(), Cut> {
    if wait.is_zero() {
        return Ok(());
    }
    tokio::select! {
        () = tokio::time::sleep(wait) => Ok(()),
        () = desk.stopped() => Err(Cut),
    }
}

fn plan_call(desk: &Desk, kind: CallKind, faults: &Faults) -> CallPlan {
    let plan = faults.plan_call(kind, fastrand::f64);
    if let Some(fault) = plan.fault {
        desk.counters.count_fault(fault.as_str());
        tracing::debug!(
            call = kind.as_str(),
            fault = fault.as_str(),
            "something goes wrong, as it was told to"
        );
    }
    plan
}

/// The faults of a call about an accepted task; its prompt was readable when it was accepted.
fn faults_of_accepted(desk: &Desk, prompt: Option<&str>) -> Faults {
    prompt.and_then(|prompt| desk.faults_of(prompt).ok()).unwrap_or_else(|| desk.faults.clone())
}

fn refusal_of(plan: CallPlan) -> Option<Refusal> {
    match plan.fault? {
        CallFault::Error => Some(Refusal::Broken),
        CallFault::TooMany => Some(Refusal::TooMany),
        CallFault::Hang | CallFault::Cut | CallFault::Garbage | CallFault::Reuse => None,
    }
}

/// The body, whole.
async fn read_whole(body: Incoming) -> Result<Bytes, Refusal> {
    let whole = tokio::time::timeout(BODY_WAIT_MAX, Limited::new(body, BODY_BYTES_MAX).collect()).await;
    let malformed = |error: String| Refusal::Malformed(format!("the body could not be read: {error}"));
    let whole = whole.map_err(|late| malformed(late.to_string()))?;
    Ok(whole.map_err(|error| malformed(error.to_string()))?.to_bytes())
}

fn text_of<'a>(head: &'a Parts, name: &HeaderName) -> Option<&'a str> {
    head.headers.get(name).and_then(|value| value.to_str().ok())
}

/// The host by which the caller reached us: HTTP/2 has it in the address, HTTP/1 in a header that it must send.
fn host_of(head: &Parts) -> &str {
    let authority = head.uri.authority().map(http::uri::Authority::as_str);
    authority.or_else(|| text_of(head, &header::HOST)).unwrap_or("localhost")
}

fn not_found(text: &str) -> Response<Body> {
    reply::json(&Answer {
        status: StatusCode::NOT_FOUND,
        body: json!({ "code": 404, "msg": text, "message": text }),
    })
}

fn plain(status: StatusCode) -> Response<Body> {
    reply::bytes(status, "text/plain", Bytes::from(status.as_str().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_api_is_also_there_behind_its_name() {
        let name = |path: &str| Some(find(&Method::POST, path, "")?.0.name());
        assert_eq!(name("/kie/api/v1/veo/generate"), Some("kie"));
        assert_eq!(name("/v2/v2/videos/generations"), Some("v2"));
        assert_eq!(name("/v2/videos/generations"), Some("v2"));
        assert_eq!(name("/v2/api/v1/veo/generate"), None);
        assert_eq!(name("/kieapi/v1/veo/generate"), None);
    }
}
