//! The same clip with more lines: kie makes it of a finished task, and the request for it, repeated, tells how it stands.

use domain::{Basis, Call, Derivation, GenerationRequest, MediaKind, Reply};

use super::more_wire::{Enlarge, Enlarged};
use super::provider::{failed, unsupported};
use super::wire::{Envelope, GET_4K, GET_1080P};
use crate::refusal::{FAILED, INVALID, puzzling};
use crate::wishes::{self, Wish};
use crate::{Progress, Results, SubmitContext, SubmitOutcome, Unsupported, web};

/// The earlier clip that `request` is to enlarge, if it is such a request.
pub(super) fn basis(request: &GenerationRequest) -> Option<&Basis> {
    request.basis.as_ref().filter(|basis| basis.derivation == Derivation::Upscale)
}

/// The call that submits a request of a basis, or why it cannot be expressed.
pub(super) fn encode_submit(
    request: &GenerationRequest,
    context: &SubmitContext<'_>,
) -> Result<Call, Unsupported> {
    wishes::refuse_all_but(&[Wish::Upscale], request, "kie")?;
    call(request, context.callback_url)
        .ok_or_else(|| unsupported("resolution", "kie enlarges clips to 1080p and 4k"))
}

/// The call that asks for a larger clip, first and again. With 1080 lines, there is no way to be told.
pub(super) fn call(request: &GenerationRequest, callback_url: Option<&str>) -> Option<Call> {
    let Basis { handle, index, .. } = basis(request)?;
    match request.output.resolution.as_deref()? {
        "1080p" => {
            let query = format!("taskId={}&index={index}", web::component(handle));
            Some(Call::get(GET_1080P).with_query(query))
        }
        "4k" => {
            let body = Enlarge { task_id: handle, index: *index, call_back_url: callback_url };
            Some(Call::post_json(GET_4K, serde_json::to_vec(&body).expect("texts and numbers encode")))
        }
        _ => None,
    }
}

/// What the first reply proves; `None` if it is no word on a larger clip.
pub(super) fn decode_submit(basis: &Basis, reply: &Reply) -> Option<SubmitOutcome> {
    match standing(reply) {
        Standing::Ready(results) => Some(SubmitOutcome::Finished(results)),
        // The reply names no task, or the earlier one: that one is asked about.
        Standing::NotReady => Some(SubmitOutcome::Accepted { handle: basis.handle.clone() }),
        Standing::Unusable => {
            Some(SubmitOutcome::Unknown { reason: puzzling("finished without a usable URL", reply) })
        }
        Standing::NoWord => None,
    }
}

/// What a later reply says.
pub(super) fn progress(reply: &Reply) -> Progress {
    let unclear = |what: &str| Progress::Unclear { reason: puzzling(what, reply) };
    match standing(reply) {
        Standing::Ready(results) => Progress::Finished(results),
        Standing::NotReady => Progress::Running { percent: None },
        Standing::Unusable => unclear("finished without a usable URL"),
        Standing::NoWord => {
            let envelope =
                Envelope::<Enlarged>::parse(&reply.body).filter(|_| !reply.status.is_server_error());
            let said = envelope.as_ref().map_or("", Envelope::said);
            match envelope.as_ref().and_then(|envelope| envelope.code) {
                Some(400 | 451) => failed(INVALID, said, reply),
                Some(500 | 501) => failed(FAILED, said, reply),
                _ => unclear("not a word on the larger clip"),
            }
        }
    }
}

/// What a reply says of a larger clip.
enum Standing {
    Ready(Results),
    NotReady,
    /// There are URLs, and none can be used.
    Unusable,
    NoWord,
}

/// A clip that is there counts before the code, which is 422 in 4k even then; and one that is not is told in words
/// beside the codes 400 and 422, which else refuse.
fn standing(reply: &Reply) -> Standing {
    let envelope = Envelope::<Enlarged>::parse(&reply.body).filter(|_| !reply.status.is_server_error());
    let Some(envelope) = envelope else { return Standing::NoWord };
    let clip = envelope.data.as_ref();
    let urls = clip.into_iter().flat_map(|clip| [&clip.result_url].into_iter().chain(&clip.result_urls));
    let urls: Vec<&str> = urls.map(String::as_str).filter(|url| !url.is_empty()).collect();
    let sources = web::sources(urls.iter().copied(), MediaKind::Video);
    if !sources.is_empty() {
        return Standing::Ready(Results::Kept(sources));
    }
    match envelope.code {
        _ if !urls.is_empty() => Standing::Unusable,
        Some(200) => Standing::NotReady,
        None if reply.status.is_success() && clip.is_some() => Standing::NotReady,
        _ if envelope.said().contains("is processing") => Standing::NotReady,
        // Seen by clients while the clip is made; it is also how one ends, and then says so.
        Some(500) if !envelope.said().contains("unavailable") => Standing::NotReady,
        _ => Standing::NoWord,
    }
}
