//! A call through a dialect: decoded, and what it asks for answered.

use ::bytes::Bytes;
use domain::{Draft, DraftMedia, FailureKind, GenerationRequest, ModelSpec, Scope, Task, TaskId};
use fastrand::Rng;
use translation::{
    Cancelled, DIALECTS, Dialect, Endpoint, Intent, Links, ModelListing, PROVIDERS, Page, Upload,
};

use crate::corpus::Corpus;
use crate::message::Message;
use crate::world::{self, check_answer, check_failure, check_submission, check_url, measured};

/// Checks what `dialect` makes of `message`; the name of the intent.
pub(crate) fn check_call(
    dialect: &'static dyn Dialect,
    endpoint: &'static Endpoint,
    message: &Message,
    corpus: &Corpus,
    random: &mut Rng,
) -> &'static str {
    let call = message.call(endpoint);
    dialect.key_in(&call.headers);
    dialect.recognises(&call.headers);
    dialect.recognises_body(endpoint, &call.body);
    dialect.disclaims(endpoint, &call.query);
    dialect.wait(endpoint, &call);
    let intent = measured(message.size(), || dialect.decode(endpoint, &message.params, &call));
    let links = world::links(&call.headers);
    let mut request = GenerationRequest::new(Scope::Videos, "veo3.1", "a cat");
    let mut id = None;
    let word = match intent {
        Ok(Intent::Create(draft)) => {
            request = check_draft(dialect, &draft, random);
            "create"
        }
        Ok(Intent::Derive(draft)) => {
            request = check_draft(dialect, &draft, random);
            "derive"
        }
        Ok(Intent::Get { id: wanted, .. }) => {
            id = Some(wanted);
            "get"
        }
        Ok(Intent::Cancel(wanted) | Intent::Delete(wanted)) => {
            id = Some(wanted);
            "end"
        }
        Ok(Intent::List(query)) => {
            assert!((1..=100).contains(&query.limit), "{query:?}");
            "list"
        }
        Ok(_) => "other",
        Err(failure) => {
            assert_ne!(failure.kind, FailureKind::Internal, "{failure:?}");
            check_failure(&failure);
            check_answer(&dialect.encode_failure(&failure));
            return "failure";
        }
    };
    let mut task = world::task(request, corpus, random);
    task.id = id.unwrap_or(task.id);
    check_answers(dialect, endpoint, &task, &links, random);
    if random.u8(..4) == 0 {
        let other = DIALECTS[random.usize(..DIALECTS.len())];
        let endpoint = &other.endpoints()[random.usize(..other.endpoints().len())];
        check_answers(other, endpoint, &task, &links, random);
    }
    word
}

/// What a client wants can be asked of any provider: of the same API, and of another one.
fn check_draft(dialect: &dyn Dialect, draft: &Draft, random: &mut Rng) -> GenerationRequest {
    for input in &draft.inputs {
        if let DraftMedia::Url(url) = &input.media {
            check_url(url);
        }
    }
    let request = world::request_of(draft, random);
    let own = PROVIDERS.iter().find(|provider| provider.name() == dialect.name());
    for provider in own.into_iter().chain([&PROVIDERS[random.usize(..PROVIDERS.len())]]) {
        check_submission(*provider, &request, random);
    }
    request
}

/// An answer about `task` that `dialect` may have to give.
fn check_answers(dialect: &dyn Dialect, endpoint: &Endpoint, task: &Task, links: &Links, random: &mut Rng) {
    match random.u8(..12) {
        0 => check_answer(&dialect.encode_created(endpoint, task, links)),
        1 => {
            let page = Page { tasks: vec![task.clone(), task.clone()], has_more: random.bool() };
            check_answer(&dialect.encode_list(endpoint, &page, links));
        }
        2 => {
            let cancelled = Cancelled { task, too_late: random.bool() };
            check_answer(&dialect.encode_cancelled(endpoint, &cancelled, links));
        }
        3 => check_answer(&dialect.encode_deleted(endpoint, &task.id)),
        4 => check_answer(&dialect.encode_callback(task, links)),
        5 => check_answer(&dialect.encode_upload(endpoint, &upload(&task.id, links), links)),
        6 => {
            let listing = ModelListing::from(&ModelSpec {
                aliases: vec![task.request.prompt.clone()],
                deprecated: random.bool(),
                replaced_by: Some(task.request.model.clone()),
                ..ModelSpec::new(&task.request.prompt, task.request.scope)
            });
            check_answer(&dialect.encode_models(&[listing]));
        }
        // A result may be bytes of any kind.
        7 => drop(dialect.encode_result(endpoint, task, &[Bytes::from_static(b"ID3")], links)),
        _ => check_answer(&dialect.encode_task(endpoint, task, links)),
    }
}

fn upload(id: &TaskId, links: &Links) -> Upload {
    Upload {
        id: id.as_str().to_owned(),
        url: format!("{}/assets/x.png", links.base_url),
        name: id.as_str().to_owned(),
        media_type: "image/png".to_owned(),
        bytes: u64::MAX,
        created_at: links.now,
        expires_at: links.now,
    }
}
