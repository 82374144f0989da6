//! A text, spoken. The reply is the sound itself.

use domain::{Call, GenerationRequest, MediaKind, Reply, Role, media_type_of_bytes};
use http::header;
use serde_json::Value;

use super::super::wire::{SPEECH, Speech, VOICE};
use super::body::{delivered, vendor, with_vendor};
use super::unsupported;
use crate::wishes::{Wish, refuse_all_but};
use crate::{Results, Unsupported};

/// The formats there are; without a word it is the first.
const FORMATS: [&str; 6] = ["mp3", "opus", "aac", "flac", "wav", "pcm"];
/// Who speaks where the client's API has no word for it: the API demands one, and every model has this.
const USUAL_VOICE: &str = "alloy";

/// Of no meaning for speech, and left out: shape, resolution, a seed. It takes as long as its text.
pub(super) fn encode(request: &GenerationRequest, model: &str) -> Result<Call, Unsupported> {
    refuse_all_but(&[Wish::Format, Wish::Voice], request, "OpenAI's speech API")?;
    let output = &request.output;
    if let Some(input) = request.inputs.first() {
        let field = if input.role == Role::Video { "videos" } else { "images" };
        return Err(unsupported(field, "OpenAI's speech is made of a text alone"));
    }
    if output.duration_s.is_some() {
        return Err(unsupported("duration", "OpenAI's speech takes as long as its text"));
    }
    let format = output.format.as_deref();
    if let Some(format) = format.filter(|format| !FORMATS.contains(format)) {
        return Err(unsupported("format", format!("{format}: OpenAI's speech is {}", FORMATS.join(", "))));
    }
    let body = Speech {
        model,
        input: &request.prompt,
        voice: output.voice.as_deref().unwrap_or(USUAL_VOICE),
        response_format: format,
    };
    let mut fields = with_vendor(&body, request);
    if let Some(own) = vendor(request).and_then(|vendor| vendor.fields.get(VOICE)) {
        fields.insert(VOICE.to_owned(), own.clone());
    }
    Ok(Call::post_json(SPEECH, Value::Object(fields).to_string().into_bytes()))
}

/// The sound in a reply: what its type calls sound, or what some hosts call bytes and its beginning shows to be sound.
pub(super) fn decode(reply: &Reply) -> Option<Results> {
    let media_type = reply.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let shown = media_type_of_bytes(&reply.body).and_then(MediaKind::of_media_type);
    let is_sound = media_type.starts_with("audio/")
        || media_type == "application/octet-stream" && shown == Some(MediaKind::Audio);
    let is_there = is_sound && !reply.body.is_empty();
    is_there.then(|| Results::Delivered(vec![delivered(MediaKind::Audio, reply)]))
}
