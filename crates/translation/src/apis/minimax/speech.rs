//! Speech: a request as the body of its call, and the sound in the answer.

use bytes::Bytes;
use domain::{Call, Delivered, GenerationRequest, MediaKind, Scope, media_type_of_extension};

use super::wire::{AudioSetting, ExtraInfo, Speech, SpeechData, VoiceSetting};
use crate::wishes::{Wish, refuse_all_but};
use crate::{SubmitContext, Unsupported};

/// The formats of sound that comes whole.
const FORMATS: [&str; 4] = ["mp3", "wav", "flac", "pcm"];
/// Who speaks where the client does not say; the documents' own example.
const USUAL_VOICE: &str = "English_expressive_narrator";

/// Whether that model speaks; all others make clips.
pub(super) fn is_speech(upstream_model: &str) -> bool {
    upstream_model.starts_with("speech-")
}

/// The call that submits `request`, or why it cannot be expressed. Dropped, because speech has none of it: shape,
/// resolution, seed, a mark, and the wishes for a better prompt and a larger result.
pub(super) fn encode_submit(
    request: &GenerationRequest,
    context: &SubmitContext<'_>,
) -> Result<Call, Unsupported> {
    refuse_all_but(&[Wish::Voice, Wish::Format], request, "MiniMax's speech")?;
    let refuse = |field, reason: String| Err(Unsupported { field, reason });
    if request.scope != Scope::Audio {
        let reason =
            format!("MiniMax's {} makes speech, not {}", context.upstream_model, request.scope.as_str());
        return refuse("scope", reason);
    }
    if !request.inputs.is_empty() {
        return refuse("images", "MiniMax's speech is made from words alone".to_owned());
    }
    let output = &request.output;
    if let Some(duration) = output.duration_s {
        return refuse("duration", format!("{duration}: speech lasts as long as its words"));
    }
    let format = output.format.as_deref();
    if let Some(format) = format.filter(|format| !FORMATS.contains(format)) {
        return refuse("format", format!("{format}: MiniMax's speech comes as {}", FORMATS.join(", ")));
    }
    let body = Speech {
        model: context.upstream_model,
        text: &request.prompt,
        stream: false,
        voice_setting: VoiceSetting { voice_id: output.voice.as_deref().unwrap_or(USUAL_VOICE) },
        audio_setting: format.map(|format| AudioSetting { format }),
        output_format: "hex",
    };
    Ok(Call::post_json("/v1/t2a_v2", serde_json::to_vec(&body).expect("texts and switches encode")))
}

/// The sound in an answer; `None` if it cannot be read.
pub(super) fn delivered(data: &SpeechData, info: &ExtraInfo) -> Option<Delivered> {
    let media_type = media_type_of_extension(&info.audio_format).unwrap_or_default().to_owned();
    Some(Delivered { kind: MediaKind::Audio, media_type, bytes: decode_hex(&data.audio)? })
}

/// The bytes that hexadecimal digits stand for; `None` if they are none, or stand for nothing.
fn decode_hex(digits: &str) -> Option<Bytes> {
    let digit = |symbol: u8| char::from(symbol).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = digits.trim().as_bytes().chunks(2);
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    pairs.map(byte).collect::<Option<Vec<u8>>>().filter(|bytes| !bytes.is_empty()).map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_bytes_or_nothing() {
        assert_eq!(decode_hex(" 4944330fF0\n").as_deref(), Some(&b"ID3\x0f\xf0"[..]));
        for digits in ["", " ", "4", "494", "4g", "0x49", "é9", "https://example.com/a.mp3"] {
            assert_eq!(decode_hex(digits), None, "{digits}");
        }
    }
}
