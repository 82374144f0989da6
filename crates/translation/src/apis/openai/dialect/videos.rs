//! Clips: made, remixed, read, listed, deleted.

use domain::{
    Call, Derivation, Draft, DraftBasis, DraftInput, Failure, FailureKind, OutputSpec, Reply, Role, Scope,
    Task, TaskId, TaskState,
};
use http::{HeaderName, StatusCode};

use super::super::size;
use super::super::wire::{Deleted, INPUT_REFERENCE, NAME, SIZE, Video, VideoError, VideoList, status};
use super::body::{Body, referred, vendor};
use super::failure::code;
use crate::fields::Fields;
use crate::progress::percent;
use crate::{Intent, Links, ListQuery, Page, answer, inputs, web};

/// When OpenAI's clients shall poll next, in milliseconds; without it they come back every second.
const POLL_AFTER: HeaderName = HeaderName::from_static("openai-poll-after-ms");
const POLL_AFTER_MS: &str = "2000";

/// The fields that bring images besides `input_reference`: others' names that clients send here, too.
const IMAGE_FIELDS: [&str; 3] = ["image", "images", "image_url"];
/// The fields that may bring a file.
const FILE_FIELDS: [(&str, Option<Role>); 4] =
    [(INPUT_REFERENCE, None), ("image", None), ("images", None), ("image_url", None)];

/// Clips in a list that says nothing of its length.
const PAGE_USUAL: usize = 20;
/// Clips in a list at most.
const PAGE_MAX: usize = 100;

/// A clip from a prompt: OpenAI's clients send a form, with or without a file.
pub(super) fn decode(call: &Call) -> Result<Draft, Failure> {
    let body = Body::of(call)?;
    let mut inputs = body.files(&FILE_FIELDS)?;
    let mut fields = body.fields()?;
    inputs.extend(decode_reference(&mut fields)?);
    inputs.extend(inputs::images(&mut fields, &IMAGE_FIELDS, None)?);
    Ok(Draft {
        scope: Some(Scope::Videos),
        model: fields.text("model")?,
        prompt: fields.prose("prompt")?.unwrap_or_default(),
        inputs,
        output: decode_output(&mut fields)?,
        vendor: vendor(fields)?,
        ..Draft::default()
    })
}

/// A clip from an earlier one and a new prompt.
pub(super) fn decode_remix(task: TaskId, call: &Call) -> Result<Draft, Failure> {
    let body = Body::of(call)?;
    let mut fields = body.fields()?;
    Ok(Draft {
        scope: Some(Scope::Videos),
        model: fields.text("model")?,
        prompt: fields.prose("prompt")?.unwrap_or_default(),
        basis: Some(DraftBasis { task, index: 0, derivation: Derivation::Remix }),
        vendor: vendor(fields)?,
        ..Draft::default()
    })
}

/// Whether the body of a remix is one of OpenAI's clients: another API's has a model.
pub(super) fn recognises_remix(body: &[u8]) -> bool {
    !Fields::parse(body).is_ok_and(|fields| fields.has("model"))
}

/// The bytes of the clip; thumbnails and sprite sheets are not made here.
pub(super) fn decode_content(id: TaskId, query: &str) -> Result<Intent, Failure> {
    match web::query_value(query, "variant").as_str() {
        "" | "video" => Ok(Intent::Content { id, index: 0 }),
        _ => Err(Failure::invalid("variant", "variant: only video is possible")),
    }
}

/// Which clips are asked for.
pub(super) fn decode_list(query: &str) -> Result<ListQuery, Failure> {
    let value = |name| Some(web::query_value(query, name)).filter(|value| !value.is_empty());
    let limit = match value("limit").map(|limit| limit.parse()) {
        None => PAGE_USUAL,
        Some(Ok(limit @ 1..=PAGE_MAX)) => limit,
        Some(_) => {
            return Err(Failure::invalid("limit", format!("limit: allowed is 1 to {PAGE_MAX}")));
        }
    };
    let ascending = match value("order").as_deref() {
        None | Some("desc") => false,
        Some("asc") => true,
        Some(_) => return Err(Failure::invalid("order", "order: allowed is asc or desc")),
    };
    Ok(ListQuery { scope: Some(Scope::Videos), after: value("after").map(TaskId::new), limit, ascending })
}

/// `input_reference` is an object; others' clients send a text.
fn decode_reference(fields: &mut Fields<'_>) -> Result<Vec<DraftInput>, Failure> {
    if !fields.is_object(INPUT_REFERENCE) {
        return inputs::images(fields, &[INPUT_REFERENCE], None);
    }
    let reference = fields.object(INPUT_REFERENCE)?;
    reference.map_or(Ok(Vec::new()), |reference| referred(INPUT_REFERENCE, reference, None))
}

fn decode_output(fields: &mut Fields<'_>) -> Result<OutputSpec, Failure> {
    // The exact pixels go on to an upstream of the same API; all others get what they stand for.
    let size = match fields.text_kept(SIZE)? {
        Some(text) => Some(size::parse(&text).ok_or_else(|| {
            Failure::invalid(SIZE, "size: allowed is a width and a height in pixels, as 1280x720")
        })?),
        // An empty text is no size for anybody.
        None => fields.text(SIZE)?.and(None),
    };
    let seconds = fields.seconds("seconds")?;
    let resolution = fields.text("resolution")?.map(|text| text.to_ascii_lowercase());
    Ok(OutputSpec {
        aspect_ratio: fields.text("aspect_ratio")?.or_else(|| size.map(size::aspect_ratio)),
        resolution: resolution.or_else(|| size.and_then(size::videos::resolution).map(str::to_owned)),
        duration_s: seconds.or(fields.seconds("duration")?),
        seed: fields.whole("seed")?.filter(|seed| *seed != 0),
        ..OutputSpec::default()
    })
}

/// The reply to whoever makes a clip or asks how it stands.
pub(super) fn encode(task: &Task, links: &Links) -> Reply {
    let reply = answer::json(StatusCode::OK, &video(task, links));
    if task.state.is_terminal() { reply } else { reply.with_header(POLL_AFTER, POLL_AFTER_MS) }
}

/// A list of clips.
pub(super) fn encode_list(page: &Page, links: &Links) -> Reply {
    let data: Vec<Video> = page.tasks.iter().map(|task| video(task, links)).collect();
    let id = |video: Option<&Video>| video.map(|video| video.id.clone());
    let (first_id, last_id) = (id(data.first()), id(data.last()));
    let list = VideoList { object: "list", data, first_id, last_id, has_more: page.has_more };
    answer::json(StatusCode::OK, &list)
}

/// The last word on a clip.
pub(super) fn encode_deleted(id: &TaskId) -> Reply {
    answer::json(StatusCode::OK, &Deleted { id: id.as_str(), object: "video.deleted", deleted: true })
}

fn video(task: &Task, links: &Links) -> Video {
    let (status, error) = standing(&task.state);
    let url = match &task.state {
        TaskState::Succeeded { outputs, .. } => outputs.first().map(|output| output.url(&links.base_url)),
        _ => None,
    };
    let remixed = task.request.basis.iter().filter(|basis| basis.derivation == Derivation::Remix);
    Video {
        id: task.id.as_str().to_owned(),
        object: "video".to_owned(),
        model: task.request.model.clone(),
        status: status.to_owned(),
        progress: Some(percent(task, links.now)),
        created_at: task.created_at.as_secs(),
        completed_at: task.state.ended_at().filter(|_| error.is_none()).map(domain::Timestamp::as_secs),
        error,
        prompt: task.request.prompt.clone(),
        remixed_from_video_id: remixed.map(|basis| basis.task.as_str().to_owned()).next(),
        seconds: task.request.output.duration_s.map(|seconds| seconds.to_string()).unwrap_or_default(),
        size: pixels(task),
        url: url.unwrap_or_default(),
        ..Video::default()
    }
}

/// The size that the client gave, in whichever API; else the one of the shape that it wants.
fn pixels(task: &Task) -> String {
    let request = &task.request;
    let own = request.vendor.iter().filter(|vendor| vendor.api == NAME);
    let given = own.filter_map(|vendor| vendor.fields.get(SIZE)?.as_str()).next();
    let OutputSpec { aspect_ratio, resolution, size, .. } = &request.output;
    let of_shape = || size::videos::of(aspect_ratio.as_deref()?, resolution.as_deref());
    given.or(size.as_deref()).map(str::to_owned).or_else(of_shape).unwrap_or_default()
}

/// The word of `status`, and why a task failed. A cancelled task is a failed one with a code of its own.
fn standing(state: &TaskState) -> (&'static str, Option<VideoError>) {
    let failed = |code: &str, message: &str| {
        (status::FAILED, Some(VideoError { code: code.to_owned(), message: message.to_owned() }))
    };
    match state {
        TaskState::Queued => (status::QUEUED, None),
        TaskState::Submitting { .. }
        | TaskState::Unknown { .. }
        | TaskState::Running { .. }
        | TaskState::Collecting { .. } => (status::IN_PROGRESS, None),
        TaskState::Succeeded { .. } => (status::COMPLETED, None),
        TaskState::Failed { failure, .. } => failed(code(failure.kind), &failure.public),
        TaskState::Cancelled { .. } => failed("cancelled", "the task was cancelled"),
        TaskState::Expired { .. } => {
            failed(code(FailureKind::Expired), "the task was not finished before its deadline")
        }
    }
}
