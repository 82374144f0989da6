//! The video tasks of BytePlus ModelArk and Volcengine Ark as they serve them. Rules from
//! <https://docs.byteplus.com/en/docs/ModelArk/1520757>, 1521309, 1521720 and <https://www.volcengine.com/docs/82379>.
//!
//! Deliberately absent: commands behind the prompt, drafts, lists, callbacks; and a `DELETE` of a task that has ended,
//! which would remove its record, is refused.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Api, Place, Refusal, Route, decode_percent, field, text_field};
use crate::task::{Kind, Order, Progress, Task};

const PATH: &str = "/api/v3/contents/generations/tasks";

const RATIOS: &[&str] = &["16:9", "4:3", "1:1", "3:4", "9:16", "21:9", "adaptive"];
const FIELDS: &[&str] = &[
    "model",
    "content",
    "resolution",
    "ratio",
    "duration",
    "frames",
    "seed",
    "camera_fixed",
    "watermark",
    "generate_audio",
    "return_last_frame",
    "service_tier",
    "execution_expires_after",
    "callback_url",
    "safety_identifier",
];

/// What the list of models says of one.
struct Rules {
    /// Its name without the date.
    model: &'static str,
    from_words: bool,
    frames_max: usize,
    references_max: usize,
    /// Whether clips and sound go in and come out.
    is_second: bool,
    sound: bool,
    resolutions: &'static [&'static str],
    seconds: std::ops::RangeInclusive<i64>,
}

const UP_TO_1080P: &[&str] = &["480p", "720p", "1080p"];
const PRO: Rules = Rules {
    model: "seedance-1-0-pro",
    from_words: true,
    frames_max: 2,
    references_max: 0,
    is_second: false,
    sound: false,
    resolutions: UP_TO_1080P,
    seconds: 2..=12,
};

const RULES: &[Rules] = &[
    PRO,
    Rules { model: "seedance-1-0-pro-fast", frames_max: 1, ..PRO },
    Rules { model: "seedance-1-0-lite-t2v", frames_max: 0, ..PRO },
    Rules { model: "seedance-1-0-lite-i2v", from_words: false, references_max: 4, ..PRO },
    Rules { model: "seedance-1-5-pro", sound: true, seconds: 4..=12, ..PRO },
    Rules {
        model: "dreamina-seedance-2-0",
        references_max: 9,
        is_second: true,
        sound: true,
        resolutions: &["480p", "720p", "1080p", "4k"],
        seconds: 4..=15,
        ..PRO
    },
    Rules {
        model: "dreamina-seedance-2-0-fast",
        references_max: 9,
        is_second: true,
        sound: true,
        resolutions: &["480p", "720p"],
        seconds: 4..=15,
        ..PRO
    },
];

/// How much of what goes in.
#[derive(Default)]
struct Counts {
    texts: usize,
    firsts: usize,
    lasts: usize,
    references: usize,
    clips: usize,
    sounds: usize,
}

pub(super) struct Seedance;

impl Api for Seedance {
    fn name(&self) -> &'static str {
        "seedance"
    }

    fn route(&self, method: &Method, path: &str, _: &str) -> Option<Route> {
        let rest = path.strip_prefix(PATH)?;
        if rest.is_empty() {
            return (method == Method::POST).then_some(Route::Submit(Kind::Video));
        }
        let id = decode_percent(rest.strip_prefix('/').filter(|id| !id.is_empty() && !id.contains('/'))?);
        match *method {
            Method::GET => Some(Route::Poll { id, kind: Some(Kind::Video) }),
            Method::DELETE => Some(Route::Cancel { id }),
            _ => None,
        }
    }

    fn decode(&self, kind: Kind, _: &Place<'_>, body: &Value) -> Result<Order, Refusal> {
        let fields = body.as_object().ok_or_else(|| Refusal::Malformed("the body is no object".into()))?;
        if let Some(name) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            return invalid(name);
        }
        let model = text_field(body, "model")?.unwrap_or_default();
        let rules = rules_of(model).ok_or_else(|| Refusal::Invalid("The model does not exist.".into()))?;
        let content = field(body, "content").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let (prompt, counts) = read_content(content)?;
        check_counts(&counts, rules)?;
        let ratio = text_field(body, "ratio")?;
        if ratio.is_some_and(|ratio| !RATIOS.contains(&ratio)) {
            return invalid("ratio");
        }
        if text_field(body, "resolution")?.is_some_and(|wanted| !rules.resolutions.contains(&wanted)) {
            return invalid("resolution");
        }
        check_extras(body, rules)?;
        Ok(Order {
            kind,
            model: model.to_owned(),
            prompt: prompt.to_owned(),
            aspect_ratio: ratio.map(str::to_owned),
            size: None,
        })
    }

    fn encode_accepted(&self, id: &str, _: &Place<'_>) -> Answer {
        Answer { status: StatusCode::OK, body: json!({ "id": id }) }
    }

    fn encode_progress(&self, task: &Task, progress: Progress, media_url: &str, _: &Place<'_>) -> Answer {
        let (status, error) = match progress {
            Progress::Waiting => ("queued", Value::Null),
            Progress::Running { .. } => ("running", Value::Null),
            Progress::Succeeded => ("succeeded", Value::Null),
            Progress::Failed => (
                "failed",
                json!({ "code": "InternalServiceError", "message": "The service encountered an unexpected internal error." }),
            ),
            Progress::Refused => (
                "failed",
                json!({
                    "code": "OutputVideoSensitiveContentDetected",
                    "message": "The request failed because the output video may contain sensitive information.",
                }),
            ),
        };
        let mut body = record(task, status);
        if !error.is_null() {
            body["error"] = error;
        }
        if progress == Progress::Succeeded {
            body["updated_at"] = (task.finished_at_ms() / 1000).into();
            body["content"] = json!({ "video_url": media_url });
            body["usage"] = json!({ "completion_tokens": 108_900, "total_tokens": 108_900 });
        }
        Answer { status: StatusCode::OK, body }
    }

    /// Only what waits can be stopped.
    fn can_stop(&self, progress: Progress) -> bool {
        progress == Progress::Waiting
    }

    fn encode_cancel(&self, _: &Task, in_time: bool, _: &Place<'_>) -> Answer {
        if in_time {
            return Answer { status: StatusCode::OK, body: json!({}) };
        }
        self.encode_refusal(&Refusal::Invalid("The status of the task does not allow the operation.".into()))
    }

    fn encode_stopped(&self, task: &Task, _: &Place<'_>) -> Answer {
        Answer { status: StatusCode::OK, body: record(task, "cancelled") }
    }

    fn encode_refusal(&self, refusal: &Refusal) -> Answer {
        let (status, code, r#type, text) = match refusal {
            Refusal::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "AuthenticationError",
                "Unauthorized",
                "The API key in the request is missing or invalid.",
            ),
            Refusal::Malformed(text) | Refusal::Invalid(text) => {
                (StatusCode::BAD_REQUEST, "InvalidParameter", "BadRequest", text.as_str())
            }
            Refusal::UnknownTask => (
                StatusCode::NOT_FOUND,
                "ResourceNotFound",
                "NotFound",
                "The specified resource does not exist.",
            ),
            Refusal::TooMany => (
                StatusCode::TOO_MANY_REQUESTS,
                "RateLimitExceeded.EndpointRPMExceeded",
                "TooManyRequests",
                "The Requests Per Minute (RPM) limit has been exceeded.",
            ),
            Refusal::Broken => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalServiceError",
                "InternalServerError",
                "The service encountered an unexpected internal error.",
            ),
        };
        let message = format!("{text} Request id: sandbox");
        let body = json!({ "error": { "code": code, "message": message, "param": "", "type": r#type } });
        Answer { status, body }
    }

    fn encode_id(&self, _: Kind, random: &str) -> String {
        format!("cgt-20261121093045-{}", &random[..16])
    }
}

/// The rules of `seedance-1-0-pro-250528`, and of `doubao-seedance-1-0-pro-250528` on the other host.
fn rules_of(model: &str) -> Option<&'static Rules> {
    let (name, date) = model.strip_prefix("doubao-").unwrap_or(model).rsplit_once('-')?;
    let is_date = date.len() == 6 && date.bytes().all(|byte| byte.is_ascii_digit());
    let names = |rules: &&Rules| rules.model == name || rules.model.strip_prefix("dreamina-") == Some(name);
    RULES.iter().find(names).filter(|_| is_date)
}

fn record(task: &Task, status: &str) -> Value {
    json!({
        "id": task.id,
        "model": task.order.model,
        "status": status,
        "created_at": task.accepted_at_ms / 1000,
        "updated_at": task.started_at_ms() / 1000,
        "service_tier": "default",
        "execution_expires_after": 172_800,
    })
}

/// The prompt, and how much of what goes in.
fn read_content(content: &[Value]) -> Result<(&str, Counts), Refusal> {
    let (mut prompt, mut counts) = ("", Counts::default());
    for item in content {
        let role = text_field(item, "role")?;
        match (text_field(item, "type")?.unwrap_or_default(), role) {
            ("text", None) => {
                counts.texts += 1;
                prompt = text_field(item, "text")?.unwrap_or_default();
            }
            ("image_url", None | Some("first_frame")) => counts.firsts += address(item, "image_url")?,
            ("image_url", Some("last_frame")) => counts.lasts += address(item, "image_url")?,
            ("image_url", Some("reference_image")) => counts.references += address(item, "image_url")?,
            ("video_url", Some("reference_video")) => counts.clips += address(item, "video_url")?,
            ("audio_url", Some("reference_audio")) => counts.sounds += address(item, "audio_url")?,
            _ => return invalid("content.role"),
        }
    }
    Ok((prompt, counts))
}

/// 1 for an item that says where its media is, or has it as a data URI.
fn address(item: &Value, name: &str) -> Result<usize, Refusal> {
    let url = item.get(name).map(|address| text_field(address, "url")).transpose()?.flatten();
    let is_known = |url: &str| ["http://", "https://", "data:"].iter().any(|start| url.starts_with(start));
    if url.is_some_and(is_known) { Ok(1) } else { invalid(&format!("content.{name}.url")) }
}

fn check_counts(counts: &Counts, rules: &Rules) -> Result<(), Refusal> {
    let Counts { texts, firsts, lasts, references, clips, sounds } = *counts;
    let frames = firsts + lasts;
    let others = references + clips + sounds;
    let is_wrong = texts > 1
        || (texts == 0 && frames + others == 0)
        || (frames + others == 0 && !rules.from_words)
        || firsts > 1
        || lasts > firsts
        || frames > rules.frames_max
        || references > rules.references_max
        || (clips + sounds > 0 && !rules.is_second)
        || clips > 3
        || sounds > 3
        || (sounds > 0 && references + clips == 0)
        || (frames > 0 && others > 0);
    if is_wrong { invalid("content") } else { Ok(()) }
}

fn check_extras(body: &Value, rules: &Rules) -> Result<(), Refusal> {
    let number = |name: &str, allowed: &std::ops::RangeInclusive<i64>| match field(body, name) {
        Some(value) if !value.as_i64().is_some_and(|value| allowed.contains(&value)) => invalid(name),
        _ => Ok(()),
    };
    number("duration", &rules.seconds)?;
    number("seed", &(-1..=i64::from(u32::MAX)))?;
    for name in ["camera_fixed", "watermark", "return_last_frame", "generate_audio"] {
        if field(body, name).is_some_and(|value| !value.is_boolean()) {
            return invalid(name);
        }
    }
    if field(body, "generate_audio").is_some() && !rules.sound {
        return invalid("generate_audio");
    }
    Ok(())
}

fn invalid<T>(name: &str) -> Result<T, Refusal> {
    Err(Refusal::Invalid(format!("The parameter `{name}` specified in the request is not valid.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://example.com/a.png";

    fn text() -> Value {
        json!({ "type": "text", "text": "a cat" })
    }

    fn image(role: &str) -> Value {
        json!({ "type": "image_url", "image_url": { "url": URL }, "role": role })
    }

    fn decode(model: &str, content: Value, extra: &Value) -> Result<Order, Refusal> {
        let mut body = json!({ "model": model, "content": content });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        Seedance.decode(Kind::Video, &Place { base_url: "", path: PATH }, &body)
    }

    #[test]
    fn documented_requests_are_read() {
        let wishes = json!({
            "ratio": "9:16", "resolution": "1080p", "duration": 5, "seed": 4_294_967_295_u32, "camera_fixed": true,
            "watermark": false, "callback_url": "https://example.com/c"
        });
        let order = decode("doubao-seedance-1-0-pro-250528", json!([text()]), &wishes).unwrap();
        assert_eq!((order.prompt.as_str(), order.aspect_ratio.as_deref()), ("a cat", Some("9:16")));
        let sound = json!({ "type": "audio_url", "audio_url": { "url": URL }, "role": "reference_audio" });
        for (model, content, extra) in [
            (
                "seedance-1-5-pro-251215",
                json!([text(), image("first_frame")]),
                json!({ "generate_audio": true }),
            ),
            ("seedance-1-0-pro-250528", json!([image("first_frame"), image("last_frame")]), json!({})),
            (
                "seedance-1-0-pro-fast-251015",
                json!([text(), { "type": "image_url", "image_url": { "url": "data:image/png;base64,AA" } }]),
                json!({}),
            ),
            ("seedance-1-0-lite-i2v-250428", json!([text(), image("reference_image")]), json!({})),
            (
                "dreamina-seedance-2-0-260128",
                json!([text(), image("reference_image"), sound]),
                json!({ "duration": 15 }),
            ),
        ] {
            assert!(decode(model, content.clone(), &extra).is_ok(), "{model} {content}");
        }
    }

    #[test]
    fn a_strict_upstream_refuses() {
        let pro = "seedance-1-0-pro-250528";
        let sound = json!({ "type": "audio_url", "audio_url": { "url": URL }, "role": "reference_audio" });
        for (model, content, extra) in [
            ("seedance-1-0-pro", json!([text()]), json!({})),
            ("veo3", json!([text()]), json!({})),
            (pro, json!([]), json!({})),
            (pro, json!("a cat"), json!({})),
            (pro, json!([text()]), json!({ "aspect_ratio": "16:9" })),
            (pro, json!([text()]), json!({ "ratio": "2:3" })),
            (pro, json!([text()]), json!({ "resolution": "4k" })),
            (pro, json!([text()]), json!({ "duration": "5" })),
            (pro, json!([text()]), json!({ "duration": 13 })),
            (pro, json!([text()]), json!({ "seed": 4_294_967_296_u64 })),
            (pro, json!([text()]), json!({ "watermark": "false" })),
            (pro, json!([text()]), json!({ "generate_audio": false })),
            (pro, json!([text(), image("last_frame")]), json!({})),
            (pro, json!([text(), image("reference_image")]), json!({})),
            (pro, json!([text(), image("subject")]), json!({})),
            (pro, json!([text(), { "type": "image_url", "image_url": URL }]), json!({})),
            ("seedance-1-0-pro-fast-251015", json!([image("first_frame"), image("last_frame")]), json!({})),
            ("seedance-1-0-lite-i2v-250428", json!([text()]), json!({})),
            (
                "dreamina-seedance-2-0-260128",
                json!([text(), image("first_frame"), image("reference_image")]),
                json!({}),
            ),
            ("dreamina-seedance-2-0-260128", json!([text(), sound]), json!({})),
        ] {
            let refused = decode(model, content.clone(), &extra);
            assert!(matches!(refused, Err(Refusal::Invalid(_))), "{model} {content} {extra}");
        }
    }

    #[test]
    fn paths_are_routed() {
        let route = |method, path: &str| Seedance.route(&method, path, "");
        assert_eq!(route(Method::POST, PATH), Some(Route::Submit(Kind::Video)));
        let poll = Route::Poll { id: "cgt-1".into(), kind: Some(Kind::Video) };
        assert_eq!(route(Method::GET, &format!("{PATH}/cgt-1")), Some(poll));
        let cancel = Route::Cancel { id: "cgt-1".into() };
        assert_eq!(route(Method::DELETE, &format!("{PATH}/cgt-1")), Some(cancel));
        for (method, path) in [
            (Method::GET, PATH.to_owned()),
            (Method::GET, format!("{PATH}/")),
            (Method::PUT, format!("{PATH}/1")),
        ] {
            assert_eq!(route(method.clone(), &path), None, "{method} {path}");
        }
    }
}
