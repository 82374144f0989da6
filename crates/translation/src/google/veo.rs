//! A request as the body of a call: what both of Google's services say in the same words.

use std::ops::RangeInclusive;

use domain::{Call, GenerationRequest, Input, Media, Role, Scope};
use serde_json::Value;

use super::wire::{
    BYTES, File, INSTANCES, Instance, Parameters, Predict, REFERENCE_TYPE, REFERENCES, Reference,
};
use crate::Unsupported;
use crate::outgoing::{MediaText, post_json_with_media};
use crate::wishes::{self, Wish};

/// Most reference images.
const REFERENCES_MAX: usize = 3;
/// What a reference image is if nobody says it: a person or a thing.
const REFERENCE_DEFAULT: &str = "asset";
/// Seconds of a clip; Veo 3 makes no others.
const DURATIONS_S: [u32; 3] = [4, 6, 8];
/// Clips of one call.
const COUNTS: RangeInclusive<u32> = 1..=4;

/// What goes in, and where its media stands in the body.
pub(crate) struct Ingoing<'a> {
    pub(crate) instance: Instance<'a>,
    media: Vec<MediaText>,
}

/// What of `request` goes in; `known` are the wishes that the service can express.
pub(crate) fn ingoing<'a>(
    request: &'a GenerationRequest,
    known: &[Wish],
) -> Result<Ingoing<'a>, Unsupported> {
    if request.scope != Scope::Videos {
        return Err(unsupported("scope", format!("Veo makes videos, not {}", request.scope.as_str())));
    }
    wishes::refuse_all_but(known, request, "Veo")?;
    let of = |role| request.inputs.iter().filter(move |input| input.role == role);
    check_counts(|role| of(role).count())?;
    let mut media = Vec::new();
    let mut one = |role, name: &str| {
        of(role).next().map(|input| file(input, &format!("/{INSTANCES}/0/{name}"), &mut media)).transpose()
    };
    let mut instance = Instance {
        prompt: &request.prompt,
        image: one(Role::FirstFrame, "image")?,
        last_frame: one(Role::LastFrame, "lastFrame")?,
        video: one(Role::Video, "video")?,
        mask: one(Role::Mask, "mask")?,
        ..Instance::default()
    };
    for (index, input) in of(Role::Reference).enumerate() {
        let image = file(input, &format!("/{INSTANCES}/0/{REFERENCES}/{index}/image"), &mut media)?;
        instance.reference_images.push(Reference { image });
    }
    Ok(Ingoing { instance, media })
}

/// What the result of `request` shall be like, but for what only one of the services takes. Dropped, because neither has
/// such a field and the clip is the same kind of thing without: `watermark` (every clip has an invisible one).
pub(crate) fn parameters<'a>(
    request: &'a GenerationRequest,
    upstream_model: &str,
) -> Result<Parameters<'a>, Unsupported> {
    let output = &request.output;
    if output.size.is_some() {
        return Err(unsupported("size", "Veo has an aspect ratio and a resolution in place of a size"));
    }
    let made = |seconds: &u32| !upstream_model.starts_with("veo-3") || DURATIONS_S.contains(seconds);
    if let Some(seconds) = output.duration_s.filter(|seconds| !made(seconds)) {
        return Err(unsupported("duration", format!("{seconds} seconds: Veo 3 makes 4, 6 and 8")));
    }
    if let Some(count) = output.count.filter(|count| !COUNTS.contains(count)) {
        let reason = format!("{count} clips: Veo makes {} to {}", COUNTS.start(), COUNTS.end());
        return Err(unsupported("count", reason));
    }
    Ok(Parameters {
        aspect_ratio: aspect_ratio(output.aspect_ratio.as_deref())?,
        resolution: resolution(request)?,
        duration_seconds: output.duration_s,
        sample_count: output.count,
        negative_prompt: output.negative_prompt.as_deref(),
        ..Parameters::default()
    })
}

/// The call that sends both to `path`, with the fields that only the API called `api` knows; where both have a field,
/// ours counts.
pub(crate) fn call(
    path: String,
    ingoing: Ingoing<'_>,
    parameters: Parameters<'_>,
    (request, api): (&GenerationRequest, &str),
) -> Call {
    let predict = Predict { instances: [ingoing.instance], parameters };
    let mut body = serde_json::to_value(&predict).expect("texts and numbers encode");
    if let Some(vendor) = request.vendor.as_ref().filter(|vendor| vendor.api == api) {
        fill(&mut body, &Value::Object(vendor.fields.clone()));
    }
    let references = body.pointer_mut(&format!("/{INSTANCES}/0/{REFERENCES}")).and_then(Value::as_array_mut);
    for reference in references.into_iter().flatten().filter_map(Value::as_object_mut) {
        reference.entry(REFERENCE_TYPE).or_insert_with(|| REFERENCE_DEFAULT.into());
    }
    post_json_with_media(path, &body, &ingoing.media)
}

pub(crate) fn unsupported(field: &'static str, reason: impl Into<String>) -> Unsupported {
    Unsupported { field, reason: reason.into() }
}

/// Frames, or references alone; a mask belongs to a clip.
fn check_counts(count: impl Fn(Role) -> usize) -> Result<(), Unsupported> {
    let (first, last, references) = (count(Role::FirstFrame), count(Role::LastFrame), count(Role::Reference));
    let (videos, masks) = (count(Role::Video), count(Role::Mask));
    if videos > 1 {
        return Err(unsupported("videos", "Veo takes one clip"));
    }
    if masks > videos {
        return Err(unsupported("mask", "Veo takes one for a clip only"));
    }
    match (first, last, references) {
        (0, 0, 0..=REFERENCES_MAX) | (1, 0 | 1, 0) => Ok(()),
        (0, 0, count) => {
            Err(unsupported("images", format!("{count} reference images, Veo takes {REFERENCES_MAX}")))
        }
        _ => {
            Err(unsupported("images", "Veo takes a first frame and with it a last one, or references alone"))
        }
    }
}

fn file<'a>(input: &'a Input, pointer: &str, media: &mut Vec<MediaText>) -> Result<File<'a>, Unsupported> {
    match &input.media {
        Media::Asset { id, media_type } => {
            media.push(MediaText { pointer: format!("{pointer}/{BYTES}"), asset: id.clone() });
            Ok(File { bytes_base64_encoded: "", mime_type: media_type })
        }
        Media::Url(_) => {
            Err(unsupported("images", "Google takes media in the call itself, and not by its URL"))
        }
    }
}

/// Absent means that of the image, else 16:9.
fn aspect_ratio(wanted: Option<&str>) -> Result<Option<&str>, Unsupported> {
    match wanted {
        Some("16:9" | "9:16") | None => Ok(wanted),
        Some(auto) if auto.eq_ignore_ascii_case("auto") => Ok(None),
        Some(other) => Err(unsupported("aspect_ratio", format!("{other}: Veo makes 16:9 and 9:16"))),
    }
}

/// The public names that end in `-4k` stand for the same models with larger output.
fn resolution(request: &GenerationRequest) -> Result<Option<&str>, Unsupported> {
    if request.model.ends_with("-4k") {
        return Ok(Some("4k"));
    }
    match request.output.resolution.as_deref() {
        Some(resolution @ ("720p" | "1080p" | "4k")) => Ok(Some(resolution)),
        Some(other) => Err(unsupported("resolution", format!("{other}: Veo makes 720p, 1080p and 4k"))),
        None => Ok(request.output.upsample.unwrap_or_default().then_some("1080p")),
    }
}

/// Puts into `ours` what it lacks of `theirs`, in all objects and lists that both have.
fn fill(ours: &mut Value, theirs: &Value) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (name, value) in theirs {
                match ours.get_mut(name) {
                    Some(known) => fill(known, value),
                    None => {
                        ours.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.iter_mut().zip(theirs).for_each(|(known, value)| fill(known, value));
        }
        _ => {}
    }
}
