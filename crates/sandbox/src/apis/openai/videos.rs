//! Videos: a form or JSON in, one object out.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    Answer, Kind, Listed, Listing, Order, Progress, Refusal, Route, Task, decode_percent, field, one_of,
    prompt, text_field,
};

const MODELS: &[&str] = &["sora-2", "sora-2-pro"];
const SECONDS: &[&str] = &["4", "8", "12"];
const SIZES: &[&str] = &["720x1280", "1280x720", "1024x1792", "1792x1024"];

/// Videos in a list at most, and in one that says nothing of it.
const PAGE_MAX: usize = 100;
const PAGE_USUAL: usize = 20;

/// What a call below `/v1/videos` wants; `rest` is the path after that.
pub(super) fn route(method: &Method, rest: &str, query: &str) -> Option<Route> {
    if rest.is_empty() {
        return match *method {
            Method::POST => Some(Route::Submit(Kind::Video)),
            Method::GET => Some(Route::List(Kind::Video)),
            _ => None,
        };
    }
    let rest = rest.strip_prefix('/').filter(|rest| !rest.is_empty())?;
    let (id, part) = rest.split_once('/').unwrap_or((rest, ""));
    let id = decode_percent(id);
    match (method, part) {
        (&Method::GET, "") => Some(Route::Poll { id, kind: Some(Kind::Video) }),
        (&Method::DELETE, "") => Some(Route::Delete { id }),
        (&Method::GET, "content") if matches!(query, "" | "variant=video") => Some(Route::Content { id }),
        (&Method::POST, "remix") => Some(Route::Derive { kind: Kind::Video, id }),
        _ => None,
    }
}

pub(super) fn decode(body: &Value) -> Result<Order, Refusal> {
    let prompt = prompt(body, "prompt")?;
    let model = one_of(body, "model", MODELS)?.unwrap_or("sora-2");
    one_of(body, "seconds", SECONDS)?;
    let size = one_of(body, "size", SIZES)?.unwrap_or("720x1280");
    check_reference(body)?;
    Ok(Order {
        kind: Kind::Video,
        model: model.to_owned(),
        prompt: prompt.to_owned(),
        aspect_ratio: None,
        size: Some(size.to_owned()),
    })
}

/// The same video with another prompt.
pub(super) fn decode_remix(from: &Task, body: &Value) -> Result<Order, Refusal> {
    if !body.is_object() {
        return Err(Refusal::Malformed("The request body must be an object.".into()));
    }
    super::refuse_unknown(body, &["prompt"])?;
    Ok(Order { prompt: prompt(body, "prompt")?.to_owned(), ..from.order.clone() })
}

/// A file, or an object that refers to an image.
fn check_reference(body: &Value) -> Result<(), Refusal> {
    let Some(reference) = field(body, "input_reference") else { return Ok(()) };
    if !reference.is_object() {
        return Err(Refusal::Invalid("input_reference must be a file or an object.".into()));
    }
    let is_file = reference.get("bytes").is_some();
    let url = text_field(reference, "image_url")?;
    let is_url =
        |url: &str| ["https://", "http://", "data:image/"].iter().any(|start| url.starts_with(start));
    if is_file || url.is_some_and(is_url) || text_field(reference, "file_id")?.is_some() {
        return Ok(());
    }
    Err(Refusal::Invalid("input_reference must have a file_id or an image_url.".into()))
}

pub(super) fn decode_list(query: &str) -> Result<Listing, Refusal> {
    let mut listing = Listing { after: None, since_ms: 0, skip: 0, limit: PAGE_USUAL, ascending: false };
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "after" => listing.after = Some(decode_percent(value)),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| *limit <= PAGE_MAX);
                listing.limit = limit.ok_or_else(|| Refusal::Invalid(format!("Invalid limit: {value}.")))?;
            }
            "order" if matches!(value, "asc" | "desc") => listing.ascending = value == "asc",
            "order" => return Err(Refusal::Invalid(format!("Invalid order: {value}."))),
            _ => {}
        }
    }
    Ok(listing)
}

pub(super) fn encode_list(listed: &[Listed], has_more: bool) -> Answer {
    let data: Vec<Value> = listed.iter().map(|one| encode(&one.task, one.progress, &one.media_url)).collect();
    let id = |one: Option<&Listed>| one.map(|one| one.task.id.clone());
    let (first_id, last_id) = (id(listed.first()), id(listed.last()));
    let body = json!({
        "object": "list", "data": data, "first_id": first_id, "last_id": last_id, "has_more": has_more,
    });
    Answer { status: StatusCode::OK, body }
}

/// A video as it stands.
pub(super) fn encode(task: &Task, progress: Progress, media_url: &str) -> Value {
    let failed = |code: &str, message: &str| json!({ "code": code, "message": message });
    let (status, percent, error) = match progress {
        Progress::Waiting => ("queued", 0, Value::Null),
        Progress::Running { percent } => ("in_progress", percent, Value::Null),
        Progress::Succeeded => ("completed", 100, Value::Null),
        Progress::Failed => ("failed", 0, failed("server_error", "The generation failed.")),
        Progress::Refused => {
            ("failed", 0, failed("moderation_blocked", "The request was blocked by our moderation system."))
        }
    };
    let is_done = progress == Progress::Succeeded;
    let mut body = json!({
        "id": task.id,
        "object": "video",
        "model": task.order.model,
        "status": status,
        "progress": percent,
        "created_at": task.accepted_at_ms / 1000,
        "completed_at": is_done.then(|| task.finished_at_ms() / 1000),
        "expires_at": null,
        "error": error,
        "prompt": task.order.prompt,
        "remixed_from_video_id": task.made_from,
        "size": task.order.size,
    });
    if is_done {
        body["url"] = media_url.into();
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(extra: &Value) -> Result<Order, Refusal> {
        let mut body = json!({ "prompt": "a cat" });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        super::decode(&body)
    }

    #[test]
    fn documented_requests_are_read() {
        let order = decode(&json!({})).unwrap();
        assert_eq!((order.model.as_str(), order.size.as_deref()), ("sora-2", Some("720x1280")));
        for extra in [
            json!({ "model": "sora-2-pro", "seconds": "12", "size": "1792x1024" }),
            json!({ "input_reference": { "image_url": "data:image/png;base64,AAAA" } }),
            json!({ "input_reference": { "file_id": "file-1" } }),
            json!({ "input_reference": { "filename": "a.png", "bytes": 4 } }),
        ] {
            assert!(decode(&extra).is_ok(), "{extra}");
        }
    }

    #[test]
    fn what_openai_does_not_take_is_refused() {
        for extra in [
            json!({ "prompt": " " }),
            json!({ "model": "veo3" }),
            json!({ "seconds": 8 }),
            json!({ "seconds": "5" }),
            json!({ "size": "1920x1080" }),
            json!({ "input_reference": "https://example.com/a.png" }),
            json!({ "input_reference": {} }),
            json!({ "input_reference": { "image_url": "ftp://example.com/a.png" } }),
        ] {
            assert!(matches!(decode(&extra), Err(Refusal::Invalid(_))), "{extra}");
        }
    }

    #[test]
    fn a_list_is_asked_for_by_query() {
        let asked = |after: Option<&str>, limit, ascending| {
            Ok(Listing { after: after.map(str::to_owned), since_ms: 0, skip: 0, limit, ascending })
        };
        assert_eq!(decode_list(""), asked(None, PAGE_USUAL, false));
        assert_eq!(decode_list("after=video_1%3A2&limit=5&order=asc"), asked(Some("video_1:2"), 5, true));
        for query in ["limit=101", "limit=x", "order=up"] {
            assert!(decode_list(query).is_err(), "{query}");
        }
    }
}
