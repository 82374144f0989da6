//! Calls about a task that name it elsewhere than a poll of the usual kind, or are answered with a place.

use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use hyper::body::Incoming;
use serde_json::Value;

use super::{host_of, read_whole};
use crate::apis::{Api, Place, Refusal};
use crate::desk::{Desk, now_ms};
use crate::reply::{self, Body, Reply};
use crate::task::{Kind, Progress};

/// A poll whose body says of which task.
pub(super) async fn poll(
    desk: &Desk,
    (api, kind): (&dyn Api, Kind),
    (head, place): (&Parts, &Place<'_>),
    body: Incoming,
) -> Reply {
    let read = read_whole(body).await.and_then(|bytes| {
        let body: Value = api.read(&head.headers, &bytes)?;
        api.decode_ask(&body)
    });
    match read {
        Ok(id) => super::poll(desk, api, (head, place), (&id, Some(kind))).await,
        Err(refusal) => Ok(reply::json(&api.encode_refusal(&refusal))),
    }
}

/// Where a result is, for those with a key; there it is served without one.
pub(super) fn file(desk: &Desk, api: &dyn Api, head: &Parts, (id, nth): (&str, u32)) -> Response<Body> {
    desk.counters.count_call(format!("{}.file", api.name()));
    let found = || {
        desk.admit(api.key_in(&head.headers))?;
        let task = desk.task(api, id).filter(|task| nth < task.count && !desk.is_stopped(id));
        let task = task.filter(|task| task.progress(now_ms()) == Progress::Succeeded);
        let path = task.ok_or(Refusal::UnknownTask)?.nth_media_path(nth);
        HeaderValue::from_str(&format!("http://{}{path}", host_of(head))).map_err(|_| Refusal::Broken)
    };
    match found() {
        Ok(url) => {
            let mut response = reply::bytes(StatusCode::FOUND, "text/plain", bytes::Bytes::new());
            response.headers_mut().insert(header::LOCATION, url);
            response
        }
        Err(refusal) => reply::json(&api.encode_refusal(&refusal)),
    }
}
