//! Speech: a text in, the sound out. Of the formats, those without compression are made here; all others come as WAV.

use serde_json::Value;

use super::{Kind, Made, Order, Product, Refusal, field, number, one_of, prompt, refuse_unknown, text_field};

pub(super) const PATH: &str = "/v1/audio/speech";

const MODELS: &[&str] = &["tts-1", "tts-1-hd", "gpt-4o-mini-tts"];
const VOICES: &[&str] = &[
    "alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer", "verse", "marin",
    "cedar",
];
const FORMATS: &[&str] = &["mp3", "opus", "aac", "flac", "wav", "pcm"];
const KNOWN: &[&str] =
    &["model", "input", "voice", "instructions", "response_format", "speed", "stream_format"];
const INPUT_CHARS_MAX: usize = 4096;

pub(super) fn decode(body: &Value) -> Result<Order, Refusal> {
    refuse_unknown(body, KNOWN)?;
    let input = prompt(body, "input")?;
    if input.chars().count() > INPUT_CHARS_MAX {
        return Err(Refusal::Invalid(format!("input has more than {INPUT_CHARS_MAX} characters.")));
    }
    let missing = |name: &str| Refusal::Invalid(format!("Missing required parameter: '{name}'."));
    let model = one_of(body, "model", MODELS)?.ok_or_else(|| missing("model"))?;
    match field(body, "voice") {
        None => return Err(missing("voice")),
        Some(Value::Object(own)) if own.get("id").is_some_and(Value::is_string) => {}
        Some(_) => drop(one_of(body, "voice", VOICES)?),
    }
    one_of(body, "response_format", FORMATS)?;
    one_of(body, "stream_format", &["audio"])?;
    text_field(body, "instructions")?;
    number(body, "speed", (0.25, 4.0))?;
    Ok(Order {
        kind: Kind::Audio,
        model: model.to_owned(),
        prompt: input.to_owned(),
        aspect_ratio: None,
        size: None,
    })
}

pub(super) fn encode(made: &Made, body: &Value) -> Product {
    let samples = || {
        let mark = made.file.windows(4).position(|window| window == b"data")?;
        // The mark is followed by four bytes of length.
        Some(made.file.slice((mark + 8).min(made.file.len())..))
    };
    match samples().filter(|_| body["response_format"] == "pcm") {
        Some(bytes) => Product::File { media_type: "audio/pcm", bytes },
        None => Product::File { media_type: "audio/wav", bytes: made.file.clone() },
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    fn decode(extra: &Value) -> Result<Order, Refusal> {
        let mut body = json!({ "input": "hello", "model": "tts-1", "voice": "alloy" });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        super::decode(&body)
    }

    #[test]
    fn documented_requests_are_read_and_others_refused() {
        for extra in [
            json!({}),
            json!({ "voice": { "id": "voice_1" }, "speed": 0.25, "instructions": "calm" }),
            json!({ "response_format": "opus", "stream_format": "audio" }),
        ] {
            assert!(decode(&extra).is_ok(), "{extra}");
        }
        for extra in [
            json!({ "input": "" }),
            json!({ "input": "x".repeat(INPUT_CHARS_MAX + 1) }),
            json!({ "model": null }),
            json!({ "model": "suno-v4" }),
            json!({ "voice": null }),
            json!({ "voice": "nobody" }),
            json!({ "voice": {} }),
            json!({ "speed": 5 }),
            json!({ "response_format": "ogg" }),
            json!({ "stream_format": "sse" }),
            json!({ "seed": 7 }),
        ] {
            assert!(matches!(decode(&extra), Err(Refusal::Invalid(_))), "{extra}");
        }
    }

    #[test]
    fn samples_come_without_their_head() {
        let made = Made { file: Bytes::from_static(b"RIFFxxxxWAVEdata\x02\0\0\0ab"), url: String::new() };
        let made_as = |format: &str| match encode(&made, &json!({ "response_format": format })) {
            Product::File { media_type, bytes } => (media_type, bytes),
            Product::Answer(_) => panic!("no file"),
        };
        assert_eq!(made_as("pcm"), ("audio/pcm", Bytes::from_static(b"ab")));
        assert_eq!(made_as("mp3").0, "audio/wav");
    }
}
