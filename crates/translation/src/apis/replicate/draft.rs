//! What a client asks a model for: the body that makes a prediction, most of it in `input`.

use std::time::Duration;

use domain::{Callback, Draft, DraftInput, Failure, OutputSpec, Role, Vendor};
use http::HeaderMap;
use serde_json::Value;

use super::names;
use super::wire::{EVENTS, EVENTS_FILTER, INPUT, NAME, WEBHOOK};
use crate::fields::{Fields, within};
use crate::prefer::Patience;
use crate::{PathParams, Wait, callback, inputs, prefer};

/// The longest wait, and that of a client that names none.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// The draft in the body that makes a prediction.
pub(super) fn decode(params: &PathParams, body: &[u8]) -> Result<Draft, Failure> {
    let mut fields = Fields::parse(body)?;
    let asked = model_of(params, &mut fields)?;
    let callback = decode_callback(&mut fields)?;
    let Some(mut input) = fields.object(INPUT)? else {
        return Err(Failure::invalid(INPUT, "input: required, an object"));
    };
    let inside = |failure| within(INPUT, failure);
    let inputs = decode_inputs(&mut input).map_err(inside)?;
    let prompt = decode_prompt(&mut input).map_err(inside)?;
    let output = decode_output(&mut input).map_err(inside)?;
    let unknown = input.rest().map_err(inside)?;
    let mut vendor = fields.rest()?;
    if !unknown.is_empty() {
        vendor.insert(INPUT.to_owned(), Value::Object(unknown));
    }
    Ok(Draft {
        model: Some(names::public_of(&asked, &inputs)),
        prompt,
        inputs,
        output,
        callback,
        vendor: (!vendor.is_empty()).then(|| Vendor { api: NAME.to_owned(), fields: vendor }),
        ..Draft::default()
    })
}

/// How long a client waits for a new prediction.
pub(super) fn decode_wait(headers: &HeaderMap) -> Wait {
    match prefer::wait(headers) {
        None | Some(Patience::Seconds(0)) => Wait::No,
        Some(Patience::Open) => Wait::UpTo(WAIT_MAX),
        Some(Patience::Seconds(seconds)) => Wait::UpTo(Duration::from_secs(seconds).min(WAIT_MAX)),
    }
}

/// `owner/name`, perhaps with `:version`: of the path, else of the body.
fn model_of(params: &PathParams, fields: &mut Fields<'_>) -> Result<String, Failure> {
    let (owner, name) = (params.get("owner"), params.get("name"));
    if !name.is_empty() {
        return Ok(format!("{owner}/{name}"));
    }
    let model = fields.text("model")?;
    let version = fields.text("version")?;
    model.or(version).ok_or_else(|| Failure::invalid("version", "version: required, as owner/name"))
}

/// The client's webhook, which older clients call `webhook_completed`. Only the end is told here, so a client that asks
/// for other events alone is told nothing.
fn decode_callback(fields: &mut Fields<'_>) -> Result<Option<Callback>, Failure> {
    let mut events = Vec::new();
    for event in fields.texts(EVENTS_FILTER)? {
        if !EVENTS.contains(&event.text.as_ref()) {
            let text = format!("{}: allowed are {}", event.field, EVENTS.join(", "));
            return Err(Failure::invalid(event.field, text));
        }
        events.push(event.text.into_owned());
    }
    let callback = match callback::decode(fields, WEBHOOK)? {
        Some(callback) => Some(callback),
        None => callback::decode(fields, "webhook_completed")?,
    };
    let wants_end = events.is_empty() || events.iter().any(|event| event == "completed");
    Ok(callback.filter(|_| wants_end).map(|callback| Callback { events, ..callback }))
}

/// Models that speak call their words `text`.
fn decode_prompt(input: &mut Fields<'_>) -> Result<String, Failure> {
    match input.prose("prompt")? {
        Some(prompt) => Ok(prompt),
        None => Ok(input.prose("text")?.unwrap_or_default()),
    }
}

/// Media with the parts that their fields give them, in the names of several models: Veo's first, then those of other
/// makers of clips, and of the image models. Their fields are named in full.
fn decode_inputs(input: &mut Fields<'_>) -> Result<Vec<DraftInput>, Failure> {
    let image = |input: &mut Fields<'_>, names: &[&str], role| {
        one(names[0], inputs::images(input, names, Some(role))?)
    };
    let mut all = image(input, &["image", "start_image", "first_frame_image"], Role::FirstFrame)?;
    all.extend(image(input, &["last_frame", "end_image", "last_frame_image"], Role::LastFrame)?);
    let references = ["reference_images", "image_input", "input_images"];
    all.extend(inputs::images(input, &references, Some(Role::Reference))?);
    all.extend(image(input, &["mask"], Role::Mask)?);
    all.extend(one("video", inputs::videos(input, "video")?)?);
    all.extend(one("audio", inputs::sounds(input, "audio")?)?);
    for media in &mut all {
        media.field = format!("{INPUT}.{}", media.field);
    }
    Ok(all)
}

fn one(name: &str, media: Vec<DraftInput>) -> Result<Vec<DraftInput>, Failure> {
    match media.len() {
        0 | 1 => Ok(media),
        count => Err(Failure::invalid(name, format!("{name}: {count} given, it takes one"))),
    }
}

fn decode_output(input: &mut Fields<'_>) -> Result<OutputSpec, Failure> {
    let count = match input.count("num_outputs")? {
        Some(count) => Some(count),
        None => input.count("number_of_images")?,
    };
    let voice = match input.text("voice")? {
        Some(voice) => Some(voice),
        None => input.text("voice_id")?,
    };
    Ok(OutputSpec {
        aspect_ratio: input.text("aspect_ratio")?,
        resolution: input.text("resolution")?.map(|text| text.to_ascii_lowercase()),
        size: input.text("size")?,
        duration_s: input.seconds("duration")?,
        seed: input.whole("seed")?,
        count,
        negative_prompt: input.text("negative_prompt")?,
        audio: input.switch("generate_audio")?,
        quality: input.text("quality")?.map(|text| text.to_ascii_lowercase()),
        format: input.format("output_format")?,
        voice,
        ..OutputSpec::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_a_minute_at_most() {
        let wait = |line: &'static str| {
            decode_wait(
                &[(http::HeaderName::from_static("prefer"), line.parse().unwrap())].into_iter().collect(),
            )
        };
        let up_to = |seconds| Wait::UpTo(Duration::from_secs(seconds));
        for (line, expected) in [
            ("wait", up_to(60)),
            ("wait=5", up_to(5)),
            ("wait=3600", up_to(60)),
            ("wait=0", Wait::No),
            ("wait=soon", Wait::No),
        ] {
            assert_eq!(wait(line), expected, "{line}");
        }
    }
}
