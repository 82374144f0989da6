//! kie.ai's Veo API and its jobs as kie serves them: every answer is HTTP 200, and the body's `code` says how it went.
//! Rules from <https://docs.kie.ai/veo3-api/generate-veo-3-video> and `get-veo-3-video-details`.
//!
//! Deliberately absent: signatures of callbacks, credits.

mod files;
mod jobs;
mod larger;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Api, Place, Refusal, Route, decode_percent, field, text_field};
use crate::task::{Kind, Order, Progress, Task};

const MODELS: &[&str] = &["veo3", "veo3_fast", "veo3_lite"];
const REFERENCE_MODELS: &[&str] = &["veo3_fast", "veo3_lite"];
const ASPECT_RATIOS: &[&str] = &["16:9", "9:16", "Auto"];
const RESOLUTIONS: &[&str] = &["720p", "1080p", "4k"];
const DURATIONS_S: &[u64] = &[4, 6, 8];
const SEEDS: std::ops::RangeInclusive<u64> = 10_000..=99_999;

const POLICY: &str = "Your prompt was flagged by Website as violating content policies.";

pub(super) struct Kie;

impl Api for Kie {
    fn name(&self) -> &'static str {
        "kie"
    }

    fn route(&self, method: &Method, path: &str, query: &str) -> Option<Route> {
        let poll = |kind| {
            let id = query.split('&').find_map(|pair| pair.strip_prefix("taskId=")).unwrap_or_default();
            Some(Route::Poll { id: decode_percent(id), kind: Some(kind) })
        };
        match (method, path) {
            (&Method::POST, "/api/v1/veo/generate") => Some(Route::Submit(Kind::Video)),
            (&Method::GET, "/api/v1/veo/record-info") => poll(Kind::Video),
            (&Method::POST, "/api/v1/jobs/createTask") => Some(Route::Submit(Kind::Image)),
            (&Method::GET, "/api/v1/jobs/recordInfo") => poll(Kind::Image),
            (&Method::GET, larger::GET_1080P) => poll(Kind::Video),
            (&Method::POST, larger::GET_4K) => Some(Route::Ask(Kind::Video)),
            (&Method::POST, files::STREAM | files::BASE64 | files::URL) => Some(Route::Upload),
            _ => None,
        }
    }

    fn decode(&self, kind: Kind, _: &Place<'_>, body: &Value) -> Result<Order, Refusal> {
        if !body.is_object() {
            return Err(Refusal::Malformed("The request body must be a JSON object".into()));
        }
        if kind == Kind::Image {
            return jobs::decode(kind, body);
        }
        let prompt = text_field(body, "prompt")?.filter(|prompt| !prompt.trim().is_empty());
        let prompt = prompt.ok_or_else(|| Refusal::Invalid("prompt is required".into()))?;
        let model = text_field(body, "model")?.unwrap_or("veo3");
        one_of("model", model, MODELS)?;
        // Both spellings are documented, in different places.
        let aspect_ratio = text_field(body, "aspectRatio")?.or(text_field(body, "aspect_ratio")?);
        one_of("aspectRatio", aspect_ratio.unwrap_or("16:9"), ASPECT_RATIOS)?;
        check_images(body, model)?;
        check_extras(body)?;
        Ok(Order {
            kind,
            model: model.to_owned(),
            prompt: prompt.to_owned(),
            aspect_ratio: aspect_ratio.map(str::to_owned),
            size: None,
        })
    }

    fn listener(&self, body: &Value, _: &str) -> Option<String> {
        field(body, "callBackUrl")?.as_str().map(str::to_owned)
    }

    /// Of a job its record; of a clip a shape of its own.
    fn encode_told(&self, task: &Task, progress: Progress, media_url: &str, _: &Place<'_>) -> Value {
        if task.order.kind == Kind::Image {
            return jobs::encode_told(task, progress, media_url);
        }
        let info = json!({ "resultUrls": [media_url], "originUrls": [media_url], "resolution": "720p" });
        let (code, text, info) = match progress {
            Progress::Refused => (400, POLICY, Value::Null),
            Progress::Succeeded => (200, "Veo3.1 video generated successfully.", info),
            _ => (501, "Failed - Video generation task failed", Value::Null),
        };
        let mut data = json!({ "taskId": task.id, "fallbackFlag": false });
        if !info.is_null() {
            data["info"] = info;
        }
        answer(code, text, data).body
    }

    fn encode_accepted(&self, id: &str, _: &Place<'_>) -> Answer {
        answer(200, "success", json!({ "taskId": id }))
    }

    fn decode_ask(&self, body: &Value) -> Result<String, Refusal> {
        larger::decode(body)
    }

    fn follows(&self, place: &Place<'_>) -> bool {
        larger::is_asked_at(place.path)
    }

    fn take_file(&self, place: &Place<'_>, body: &Value, url: &str) -> Result<Answer, Refusal> {
        files::take(place.path, body, url)
    }

    fn encode_progress(&self, task: &Task, progress: Progress, media_url: &str, place: &Place<'_>) -> Answer {
        if larger::is_asked_at(place.path) {
            return larger::encode(place.path, task, progress, media_url);
        }
        if task.order.kind == Kind::Image {
            return jobs::encode_progress(task, progress, media_url);
        }
        let (flag, error_code, error) = match progress {
            Progress::Waiting | Progress::Running { .. } => (0, Value::Null, ""),
            Progress::Succeeded => (1, Value::Null, ""),
            Progress::Refused => (2, json!(400), POLICY),
            Progress::Failed => (3, json!(501), "Failed - Video generation task failed"),
        };
        let is_landscape = task.order.aspect_ratio.as_deref().is_none_or(|ratio| ratio == "16:9");
        let response = (flag == 1).then(|| {
            let origin_urls = if is_landscape { Value::Null } else { json!([media_url]) };
            json!({ "taskId": task.id, "resultUrls": [media_url], "originUrls": origin_urls, "resolution": "720p" })
        });
        let parameters = json!({
            "prompt": task.order.prompt,
            "model": task.order.model,
            "aspectRatio": task.order.aspect_ratio,
        });
        let data = json!({
            "taskId": task.id,
            "paramJson": parameters.to_string(),
            "createTime": task.accepted_at_ms,
            "completeTime": (flag != 0).then(|| task.finished_at_ms()),
            "response": response,
            "successFlag": flag,
            "errorCode": error_code,
            "errorMessage": error,
            "fallbackFlag": false,
        });
        match progress {
            Progress::Refused => answer(400, POLICY, data),
            _ => answer(200, "success", data),
        }
    }

    fn encode_refusal(&self, refusal: &Refusal) -> Answer {
        let (code, text) = match refusal {
            Refusal::Unauthorized => (401, "You do not have access permissions"),
            Refusal::Malformed(text) => (400, text.as_str()),
            Refusal::Invalid(text) => (422, text.as_str()),
            Refusal::UnknownTask => (422, "record is null."),
            Refusal::TooMany => (429, "Request limit has been exceeded for this resource"),
            Refusal::Broken => (500, "Internal Error, Please try again later."),
        };
        answer(code, text, Value::Null)
    }

    fn encode_id(&self, kind: Kind, random: &str) -> String {
        let start = if kind == Kind::Image { "task" } else { "veo_task" };
        format!("{start}_{random}")
    }
}

fn answer(code: u16, text: &str, data: Value) -> Answer {
    Answer { status: StatusCode::OK, body: json!({ "code": code, "msg": text, "data": data }) }
}

fn check_images(body: &Value, model: &str) -> Result<(), Refusal> {
    let images = match field(body, "imageUrls") {
        None => &[],
        Some(Value::Array(images)) => images.as_slice(),
        Some(_) => return invalid("imageUrls must be an array"),
    };
    if !images.iter().all(is_web_url) {
        return invalid("imageUrls must be http or https URLs");
    }
    let allowed = match text_field(body, "generationType")? {
        None => 0..=3,
        Some("TEXT_2_VIDEO") => 0..=0,
        Some("FIRST_AND_LAST_FRAMES_2_VIDEO") => 1..=2,
        Some("REFERENCE_2_VIDEO") => {
            one_of("model for REFERENCE_2_VIDEO", model, REFERENCE_MODELS)?;
            1..=3
        }
        Some(other) => return invalid(&format!("generationType {other} is not supported")),
    };
    if !allowed.contains(&images.len()) {
        let (min, max) = (allowed.start(), allowed.end());
        return invalid(&format!("imageUrls must hold {min} to {max} URLs for this generationType"));
    }
    Ok(())
}

fn check_extras(body: &Value) -> Result<(), Refusal> {
    text_field(body, "watermark")?;
    if let Some(resolution) = text_field(body, "resolution")? {
        one_of("resolution", resolution, RESOLUTIONS)?;
    }
    if field(body, "duration")
        .is_some_and(|duration| !duration.as_u64().is_some_and(|s| DURATIONS_S.contains(&s)))
    {
        return invalid("duration must be 4, 6 or 8");
    }
    if field(body, "seeds").is_some_and(|seeds| !seeds.as_u64().is_some_and(|seeds| SEEDS.contains(&seeds))) {
        return invalid("seeds must be between 10000 and 99999");
    }
    if field(body, "callBackUrl").is_some_and(|url| !is_web_url(url)) {
        return invalid("callBackUrl must be an http or https URL");
    }
    for name in ["enableTranslation", "enableFallback"] {
        if field(body, name).is_some_and(|value| !value.is_boolean()) {
            return invalid(&format!("{name} must be a boolean"));
        }
    }
    Ok(())
}

fn is_web_url(value: &Value) -> bool {
    let uri = value.as_str().and_then(|text| text.parse::<http::Uri>().ok());
    uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
}

fn one_of(name: &str, value: &str, allowed: &[&str]) -> Result<(), Refusal> {
    if allowed.contains(&value) {
        return Ok(());
    }
    invalid(&format!("{name} \"{value}\" is not supported, use one of {}", allowed.join(", ")))
}

fn invalid<T>(text: &str) -> Result<T, Refusal> {
    Err(Refusal::Invalid(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place { base_url: "", path: "" };

    fn decode(body: &Value) -> Result<Order, Refusal> {
        Kie.decode(Kind::Video, &PLACE, body)
    }

    #[test]
    fn a_documented_request_is_read() {
        let order = decode(&json!({
            "prompt": "A dog playing in a park", "imageUrls": ["http://example.com/image1.jpg"], "model": "veo3_fast",
            "watermark": "MyBrand", "callBackUrl": "http://example.com/complete", "aspectRatio": "9:16", "seeds": 12345,
            "generationType": "REFERENCE_2_VIDEO", "resolution": "1080p", "duration": 8, "enableTranslation": true
        }));
        let expected = Order {
            kind: Kind::Video,
            model: "veo3_fast".into(),
            prompt: "A dog playing in a park".into(),
            aspect_ratio: Some("9:16".into()),
            size: None,
        };
        assert_eq!(order, Ok(expected));
        assert_eq!(decode(&json!({ "prompt": "a" })).unwrap().model, "veo3");
    }

    #[test]
    fn a_strict_upstream_refuses() {
        let wrong = [
            json!({ "prompt": " " }),
            json!({ "model": "veo3" }),
            json!({ "prompt": 7 }),
            json!({ "prompt": "a", "model": "veo3-fast" }),
            json!({ "prompt": "a", "aspectRatio": "4:3" }),
            json!({ "prompt": "a", "aspect_ratio": "4:3" }),
            json!({ "prompt": "a", "imageUrls": "http://example.com/a.png" }),
            json!({ "prompt": "a", "imageUrls": ["data:image/png;base64,AAAA"] }),
            json!({ "prompt": "a", "imageUrls": ["iVBORw0KGgo"] }),
            json!({ "prompt": "a", "imageUrls": ["ftp://example.com/a.png"] }),
            json!({ "prompt": "a", "generationType": "TEXT_2_VIDEO", "imageUrls": ["http://example.com/a"] }),
            json!({ "prompt": "a", "generationType": "FIRST_AND_LAST_FRAMES_2_VIDEO" }),
            json!({ "prompt": "a", "generationType": "REFERENCE_2_VIDEO", "imageUrls": ["http://example.com/a"] }),
            json!({ "prompt": "a", "generationType": "IMAGE_2_VIDEO" }),
            json!({ "prompt": "a", "seeds": 9999 }),
            json!({ "prompt": "a", "seeds": 100_000 }),
            json!({ "prompt": "a", "duration": 5 }),
            json!({ "prompt": "a", "resolution": "720P" }),
            json!({ "prompt": "a", "watermark": true }),
            json!({ "prompt": "a", "callBackUrl": "not a url" }),
            json!({ "prompt": "a", "enableTranslation": "yes" }),
        ];
        for body in wrong {
            assert!(matches!(decode(&body), Err(Refusal::Invalid(_))), "{body}");
        }
        assert!(matches!(decode(&json!([])), Err(Refusal::Malformed(_))));
    }

    #[test]
    fn a_refusal_is_http_200_with_a_code() {
        for (refusal, code) in [
            (Refusal::Unauthorized, 401),
            (Refusal::Malformed("x".into()), 400),
            (Refusal::Invalid("x".into()), 422),
            (Refusal::UnknownTask, 422),
            (Refusal::TooMany, 429),
            (Refusal::Broken, 500),
        ] {
            let answer = Kie.encode_refusal(&refusal);
            assert_eq!((answer.status, &answer.body["code"]), (StatusCode::OK, &json!(code)));
        }
    }
}
