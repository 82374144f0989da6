//! MiniMax's own API as MiniMax serves it: clips in three calls, speech in one, and always HTTP 200 with a
//! `base_resp.status_code`. Rules from <https://platform.minimax.io/docs/api-reference> (video generation, file
//! retrieval, T2A HTTP, error codes).
//!
//! Speech is always WAV, whatever format is ordered. Deliberately absent: callbacks, the `/v2` pair, streams, music.

use std::fmt::Write as _;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Api, Made, Place, Product, Refusal, Route, decode_percent, field, text_field};
use crate::task::{Kind, Order, Progress, Task};

const CLIPS: &str = "/v1/video_generation";
const QUERY: &str = "/v1/query/video_generation";
const FILES: &str = "/v1/files/retrieve";
const SPEECH: &str = "/v1/t2a_v2";

/// What the name of a clip's file begins with; the id of its task follows.
const FILE: &str = "9";
const PROMPT_CHARS_MAX: usize = 2000;
const SPEECH_CHARS_MAX: usize = 10_000;
const FORMATS: &[&str] = &["mp3", "pcm", "flac", "wav"];
const CLIP_FIELDS: &[&str] = &[
    "model",
    "prompt",
    "prompt_optimizer",
    "fast_pretreatment",
    "duration",
    "resolution",
    "first_frame_image",
    "last_frame_image",
    "subject_reference",
    "callback_url",
    "aigc_watermark",
];

/// What the documents say of a model of clips: what it is made from, and how large and long.
struct Rules {
    model: &'static str,
    from_words: bool,
    first_frame: bool,
    last_frame: bool,
    subject: bool,
    modes: &'static [(&'static str, &'static [u64])],
}

const HAILUO_MODES: &[(&str, &[u64])] = &[("768P", &[6, 10]), ("1080P", &[6])];
const HAILUO: Rules = Rules {
    model: "MiniMax-Hailuo-2.3",
    from_words: true,
    first_frame: true,
    last_frame: false,
    subject: false,
    modes: HAILUO_MODES,
};

const RULES: &[Rules] = &[
    HAILUO,
    Rules { model: "MiniMax-Hailuo-2.3-Fast", from_words: false, ..HAILUO },
    Rules { model: "MiniMax-Hailuo-02", last_frame: true, ..HAILUO },
    Rules { model: "S2V-01", from_words: false, first_frame: false, subject: true, modes: &[], ..HAILUO },
];

pub(super) struct MiniMax;

impl Api for MiniMax {
    fn name(&self) -> &'static str {
        "minimax"
    }

    fn route(&self, method: &Method, path: &str, query: &str) -> Option<Route> {
        let value = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let found = pairs.find(|(key, _)| *key == name).map(|(_, value)| value);
            decode_percent(found.unwrap_or_default())
        };
        let poll = |id: String| Some(Route::Poll { id, kind: Some(Kind::Video) });
        match (method, path) {
            (&Method::POST, CLIPS) => Some(Route::Submit(Kind::Video)),
            (&Method::POST, SPEECH) => Some(Route::Generate(Kind::Audio)),
            (&Method::GET, QUERY) => poll(value("task_id")),
            (&Method::GET, FILES) => poll(value("file_id").strip_prefix(FILE).unwrap_or_default().to_owned()),
            _ => None,
        }
    }

    fn decode(&self, kind: Kind, _: &Place<'_>, body: &Value) -> Result<Order, Refusal> {
        if !body.is_object() {
            return Err(Refusal::Malformed("the body is no object".into()));
        }
        let (model, prompt) = if kind == Kind::Audio { decode_speech(body)? } else { decode_clip(body)? };
        Ok(Order { kind, model: model.to_owned(), prompt: prompt.to_owned(), aspect_ratio: None, size: None })
    }

    fn encode_accepted(&self, id: &str, _: &Place<'_>) -> Answer {
        answer(json!({ "task_id": id }), 0, "success")
    }

    fn encode_result(&self, _: &Task, progress: Progress, made: &[Made], body: &Value) -> Product {
        let Some(sound) = made.first() else {
            let refused = progress == Progress::Refused;
            let (code, text) = if refused { (1026, "input new_sensitive") } else { (1000, "unknown error") };
            return Product::Answer(answer(json!({ "data": null }), code, text));
        };
        let digits = sound.file.iter().fold(String::new(), |mut digits, byte| {
            // Writing into a `String` cannot fail.
            let _ = write!(digits, "{byte:02x}");
            digits
        });
        let words = body["text"].as_str().unwrap_or_default();
        let said = json!({
            "data": { "audio": digits, "status": 2 },
            "extra_info": {
                "audio_size": sound.file.len(),
                "usage_characters": words.chars().count(),
                "audio_format": Kind::Audio.extension(),
                "audio_channel": 1,
            },
            "trace_id": "sandbox",
        });
        Product::Answer(answer(said, 0, "success"))
    }

    fn encode_progress(&self, task: &Task, progress: Progress, media_url: &str, place: &Place<'_>) -> Answer {
        if place.path == FILES {
            return match progress {
                Progress::Succeeded => file(task, media_url),
                _ => self.encode_refusal(&Refusal::UnknownTask),
            };
        }
        let (status, code, text) = match progress {
            Progress::Waiting => ("Queueing", 0, "success"),
            Progress::Running { .. } => ("Processing", 0, "success"),
            Progress::Succeeded => ("Success", 0, "success"),
            Progress::Failed => ("Fail", 1033, "system error"),
            Progress::Refused => ("Fail", 1027, "output new_sensitive"),
        };
        let mut body = json!({ "task_id": task.id, "status": status });
        if progress == Progress::Succeeded {
            body["file_id"] = format!("{FILE}{}", task.id).into();
            body["video_width"] = 1366.into();
            body["video_height"] = 768.into();
        }
        answer(body, code, text)
    }

    fn encode_refusal(&self, refusal: &Refusal) -> Answer {
        let (code, text) = match refusal {
            Refusal::Unauthorized => {
                (1004, "login fail: Please carry the API secret key in the request".to_owned())
            }
            Refusal::Malformed(text) | Refusal::Invalid(text) => (2013, format!("invalid params, {text}")),
            Refusal::UnknownTask => (2013, "invalid params, no such task or file".to_owned()),
            Refusal::TooMany => (1002, "rate limit".to_owned()),
            Refusal::Broken => (1000, "unknown error".to_owned()),
        };
        answer(json!({}), code, &text)
    }

    fn encode_id(&self, _: Kind, random: &str) -> String {
        let number = u64::from_str_radix(&random[..12], 16).unwrap_or_default();
        format!("1{number:015}")
    }
}

fn answer(mut body: Value, code: u16, text: &str) -> Answer {
    body["base_resp"] = json!({ "status_code": code, "status_msg": text });
    Answer { status: StatusCode::OK, body }
}

fn file(task: &Task, media_url: &str) -> Answer {
    let file = json!({
        "file_id": format!("{FILE}{}", task.id),
        "bytes": 0,
        "created_at": task.finished_at_ms() / 1000,
        "filename": "output.mp4",
        "purpose": "video_generation",
        "download_url": media_url,
    });
    answer(json!({ "file": file }), 0, "success")
}

/// The model and the prompt of a clip.
fn decode_clip(body: &Value) -> Result<(&str, &str), Refusal> {
    if let Some(name) =
        body.as_object().and_then(|fields| fields.keys().find(|n| !CLIP_FIELDS.contains(&n.as_str())))
    {
        return invalid(format!("unknown field {name}"));
    }
    let model = text_field(body, "model")?.unwrap_or_default();
    let Some(rules) = RULES.iter().find(|rules| rules.model == model) else {
        return invalid(format!("model {model} not exist"));
    };
    let prompt = text_field(body, "prompt")?.unwrap_or_default();
    let frame = |name| -> Result<bool, Refusal> { check_image(text_field(body, name)?, name) };
    let (first, last) = (frame("first_frame_image")?, frame("last_frame_image")?);
    let subject = check_subject(body)?;
    if (first && !rules.first_frame) || (last && !rules.last_frame) || (subject && !rules.subject) {
        return invalid(format!("model {model} does not take these images"));
    }
    if !rules.from_words && !first && !subject {
        return invalid("an image is required");
    }
    if prompt.trim().is_empty() && !first {
        return invalid("prompt is required");
    }
    if prompt.chars().count() > PROMPT_CHARS_MAX {
        return invalid("prompt is too long");
    }
    for name in ["prompt_optimizer", "fast_pretreatment", "aigc_watermark"] {
        if field(body, name).is_some_and(|value| !value.is_boolean()) {
            return invalid(format!("{name} must be a boolean"));
        }
    }
    check_mode(body, rules)?;
    Ok((model, prompt))
}

fn check_mode(body: &Value, rules: &Rules) -> Result<(), Refusal> {
    let resolution = text_field(body, "resolution")?;
    let Some((usual, _)) = rules.modes.first() else {
        let has_choice = resolution.is_some() || field(body, "duration").is_some();
        return if has_choice { invalid("this model has one resolution and one duration") } else { Ok(()) };
    };
    let wanted = resolution.unwrap_or(usual);
    let Some((_, lengths)) = rules.modes.iter().find(|(made, _)| *made == wanted) else {
        return invalid(format!("resolution {wanted} is not supported"));
    };
    let length = field(body, "duration").map_or(Some(6), Value::as_u64);
    match length.filter(|length| lengths.contains(length)) {
        Some(_) => Ok(()),
        None => invalid(format!("duration must be one of {lengths:?} in {wanted}")),
    }
}

/// Whether there is a subject; there can be one, a character.
fn check_subject(body: &Value) -> Result<bool, Refusal> {
    let Some(subjects) = field(body, "subject_reference") else { return Ok(false) };
    let [subject] = subjects.as_array().map_or(&[][..], Vec::as_slice) else {
        return invalid("subject_reference must hold one subject");
    };
    let [image] = subject["image"].as_array().map_or(&[][..], Vec::as_slice) else {
        return invalid("subject_reference.image must hold one image");
    };
    if subject["type"] != "character" {
        return invalid("subject_reference.type must be character");
    }
    check_image(image.as_str(), "subject_reference.image")
}

/// Whether there is an image: a web address, or a data URI.
fn check_image(image: Option<&str>, name: &str) -> Result<bool, Refusal> {
    let Some(image) = image else { return Ok(false) };
    if ["http://", "https://", "data:image/"].iter().any(|start| image.starts_with(start)) {
        return Ok(true);
    }
    invalid(format!("{name} must be a URL or a data URL"))
}

/// The model and the words of speech.
fn decode_speech(body: &Value) -> Result<(&str, &str), Refusal> {
    let model = text_field(body, "model")?.unwrap_or_default();
    if !model.starts_with("speech-") {
        return invalid(format!("model {model} not exist"));
    }
    let words = text_field(body, "text")?.filter(|words| !words.trim().is_empty());
    let Some(words) = words.filter(|words| words.chars().count() < SPEECH_CHARS_MAX) else {
        return invalid("text is missing or too long");
    };
    if body["stream"] == true {
        return invalid("the sandbox does not stream");
    }
    if field(&body["voice_setting"], "voice_id").and_then(Value::as_str).is_none() {
        return invalid("voice_setting.voice_id is required");
    }
    let format = field(&body["audio_setting"], "format");
    if format.is_some_and(|format| !format.as_str().is_some_and(|format| FORMATS.contains(&format))) {
        return invalid("audio_setting.format is not supported");
    }
    match text_field(body, "output_format")? {
        None | Some("hex") => Ok((model, words)),
        _ => invalid("the sandbox gives speech as hex"),
    }
}

fn invalid<T>(text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Invalid(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://example.com/a.png";

    fn decode(kind: Kind, body: &Value) -> Result<Order, Refusal> {
        MiniMax.decode(kind, &Place { base_url: "", path: "" }, body)
    }

    #[test]
    fn documented_requests_are_read() {
        let subject = json!([{ "type": "character", "image": [URL] }]);
        for body in [
            json!({ "model": "MiniMax-Hailuo-2.3", "prompt": "a cat", "duration": 6, "resolution": "1080P" }),
            json!({ "model": "MiniMax-Hailuo-2.3-Fast", "first_frame_image": URL, "duration": 10 }),
            json!({
                "model": "MiniMax-Hailuo-02", "prompt": "a cat", "first_frame_image": "data:image/png;base64,AA",
                "last_frame_image": URL, "prompt_optimizer": true, "aigc_watermark": false
            }),
            json!({ "model": "S2V-01", "prompt": "a cat", "subject_reference": subject }),
        ] {
            assert!(decode(Kind::Video, &body).is_ok(), "{body}");
        }
        let speech = json!({
            "model": "speech-2.8-hd", "text": "Good morning.", "stream": false,
            "voice_setting": { "voice_id": "English_expressive_narrator" }, "audio_setting": { "format": "mp3" }
        });
        assert_eq!(decode(Kind::Audio, &speech).unwrap().prompt, "Good morning.");
    }

    #[test]
    fn a_strict_upstream_refuses() {
        let model = "MiniMax-Hailuo-2.3";
        for body in [
            json!({ "prompt": "a" }),
            json!({ "model": "veo3", "prompt": "a" }),
            json!({ "model": model, "prompt": " " }),
            json!({ "model": model, "prompt": "x".repeat(2001) }),
            json!({ "model": model, "prompt": "a", "seed": 1 }),
            json!({ "model": model, "prompt": "a", "duration": "6" }),
            json!({ "model": model, "prompt": "a", "duration": 8 }),
            json!({ "model": model, "prompt": "a", "duration": 10, "resolution": "1080P" }),
            json!({ "model": model, "prompt": "a", "resolution": "768p" }),
            json!({ "model": model, "prompt": "a", "prompt_optimizer": "yes" }),
            json!({ "model": model, "prompt": "a", "first_frame_image": "iVBORw0KGgo" }),
            json!({ "model": model, "prompt": "a", "first_frame_image": URL, "last_frame_image": URL }),
            json!({ "model": "MiniMax-Hailuo-2.3-Fast", "prompt": "a" }),
            json!({ "model": "S2V-01", "prompt": "a" }),
            json!({ "model": "S2V-01", "prompt": "a", "subject_reference": [{ "type": "dog", "image": [URL] }] }),
            json!({
                "model": "S2V-01", "prompt": "a", "duration": 6,
                "subject_reference": [{ "type": "character", "image": [URL] }]
            }),
        ] {
            assert!(matches!(decode(Kind::Video, &body), Err(Refusal::Invalid(_))), "{body}");
        }
        let voice = json!({ "voice_id": "x" });
        for body in [
            json!({ "model": model, "text": "a", "voice_setting": voice }),
            json!({ "model": "speech-2.8-hd", "voice_setting": voice }),
            json!({ "model": "speech-2.8-hd", "text": "a" }),
            json!({ "model": "speech-2.8-hd", "text": "x".repeat(10_000), "voice_setting": voice }),
            json!({ "model": "speech-2.8-hd", "text": "a", "voice_setting": voice, "stream": true }),
            json!({
                "model": "speech-2.8-hd", "text": "a", "voice_setting": voice, "audio_setting": { "format": "ogg" }
            }),
        ] {
            assert!(matches!(decode(Kind::Audio, &body), Err(Refusal::Invalid(_))), "{body}");
        }
        assert!(matches!(decode(Kind::Video, &json!([])), Err(Refusal::Malformed(_))));
    }

    #[test]
    fn paths_are_routed() {
        let route = |method, path, query| MiniMax.route(&method, path, query);
        let poll = |id: &str| Some(Route::Poll { id: id.into(), kind: Some(Kind::Video) });
        assert_eq!(route(Method::POST, CLIPS, ""), Some(Route::Submit(Kind::Video)));
        assert_eq!(route(Method::POST, SPEECH, ""), Some(Route::Generate(Kind::Audio)));
        assert_eq!(route(Method::GET, QUERY, "task_id=1%2F2"), poll("1/2"));
        assert_eq!(route(Method::GET, FILES, "file_id=912"), poll("12"));
        assert_eq!(route(Method::GET, FILES, "file_id=12"), poll(""));
        assert_eq!(route(Method::GET, CLIPS, ""), None);
    }
}
