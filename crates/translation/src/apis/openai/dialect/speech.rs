//! A text, spoken. The reply is the sound itself.

use bytes::Bytes;
use domain::{Call, Draft, Failure, Output, OutputMedia, OutputSpec, Reply, Scope, Task, TaskState, Vendor};
use http::{StatusCode, header};
use serde_json::{Map, json};

use super::super::wire::{NAME, VOICE};
use super::body::vendor;
use super::failure;
use crate::fields::{Fields, within};
use crate::{Links, answer};

/// The formats of OpenAI's speech, and what it calls their types.
const FORMATS: [(&str, &str); 6] = [
    ("mp3", "audio/mpeg"),
    ("opus", "audio/opus"),
    ("aac", "audio/aac"),
    ("flac", "audio/flac"),
    ("wav", "audio/wav"),
    ("pcm", "audio/pcm"),
];
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// A text that shall be spoken.
pub(super) fn decode(call: &Call) -> Result<Draft, Failure> {
    let mut fields = Fields::parse(&call.body)?;
    if fields.word("stream_format", &["audio", "sse"])? == Some("sse") {
        return Err(Failure::invalid("stream_format", "stream_format: only audio is possible"));
    }
    let input = fields.prose("input")?.filter(|input| !input.trim().is_empty());
    let prompt = input.ok_or_else(|| Failure::invalid("input", "input: required, and must not be empty"))?;
    let model = fields.text("model")?;
    let format = fields.word("response_format", &FORMATS.map(|(name, _)| name))?;
    let is_own = fields.is_object(VOICE);
    let voice = if is_own { decode_own_voice(&mut fields)? } else { fields.text(VOICE)? };
    let mut vendor = vendor(fields)?;
    if let Some(id) = voice.as_deref().filter(|_| is_own) {
        // Only an upstream of the same API can know that voice.
        let vendor = vendor.get_or_insert_with(|| Vendor { api: NAME.to_owned(), fields: Map::new() });
        vendor.fields.insert(VOICE.to_owned(), json!({ "id": id }));
    }
    Ok(Draft {
        scope: Some(Scope::Audio),
        model,
        prompt,
        output: OutputSpec { voice, format: format.map(str::to_owned), ..OutputSpec::default() },
        vendor,
        ..Draft::default()
    })
}

/// The id of a voice that an account made for itself: `{"id": "voice_1"}`.
fn decode_own_voice(fields: &mut Fields<'_>) -> Result<Option<String>, Failure> {
    let Some(mut voice) = fields.object(VOICE)? else { return Ok(None) };
    let id = voice.text("id").map_err(|failure| within(VOICE, failure))?;
    id.map(Some).ok_or_else(|| Failure::invalid("voice.id", "voice.id: required"))
}

/// The sound; where its bytes could not be read, the way to them, which clients follow by themselves.
pub(super) fn encode(task: &Task, media: &[Bytes], links: &Links) -> Reply {
    let outputs: &[Output] = match &task.state {
        TaskState::Succeeded { outputs, .. } => outputs,
        _ => &[],
    };
    let asked = task.request.output.format.as_deref();
    match (media.first(), outputs.first()) {
        (Some(bytes), Some(output)) => Reply { body: bytes.clone(), ..answer::empty(StatusCode::OK) }
            .with_header(header::CONTENT_TYPE, media_type(&output.media, asked)),
        (_, Some(output)) => {
            answer::empty(StatusCode::SEE_OTHER).with_header(header::LOCATION, &output.url(&links.base_url))
        }
        (_, None) => failure::encode(&Failure::internal("a task without results is no speech")),
    }
}

/// The type of the sound as it is, in OpenAI's word for it; where nobody knows it, that of the format asked for.
fn media_type<'a>(media: &'a OutputMedia, asked: Option<&str>) -> &'a str {
    let known = match media {
        OutputMedia::Stored { media_type, .. } => media_type.as_str(),
        OutputMedia::Remote { .. } => UNKNOWN_TYPE,
    };
    match (known, asked) {
        ("audio/ogg", Some("opus")) => "audio/opus",
        (UNKNOWN_TYPE, asked) => {
            let format = FORMATS.iter().find(|(name, _)| Some(*name) == asked);
            format.map_or(UNKNOWN_TYPE, |(_, media_type)| media_type)
        }
        (known, _) => known,
    }
}

#[cfg(test)]
mod tests {
    use domain::AssetId;

    use super::*;

    #[test]
    fn the_type_is_that_of_the_sound_whatever_was_asked_for() {
        for (stored, asked, said) in [
            ("audio/wav", Some("mp3"), "audio/wav"),
            ("audio/mpeg", None, "audio/mpeg"),
            ("audio/ogg", Some("opus"), "audio/opus"),
            ("audio/ogg", None, "audio/ogg"),
            (UNKNOWN_TYPE, Some("pcm"), "audio/pcm"),
            (UNKNOWN_TYPE, None, UNKNOWN_TYPE),
        ] {
            let asset = AssetId::new("00ff");
            let media = OutputMedia::Stored { asset, media_type: stored.to_owned(), bytes: 1 };
            assert_eq!(media_type(&media, asked), said, "{stored} {asked:?}");
        }
    }
}
