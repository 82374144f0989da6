//! Pictures: made of a text, or of other pictures. The reply waits for them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use domain::{
    Call, Draft, DraftInput, Failure, MediaKind, Output, OutputSpec, Reply, Role, Scope, Task, TaskState,
};
use http::StatusCode;

use super::super::size;
use super::super::wire::{COUNT_MAX, Image, Images, NAME, SIZE};
use super::body::{Body, referred, vendor};
use crate::fields::Fields;
use crate::{Links, Wait, answer, inputs};

/// The fields that bring images; all but the first two are others' names that clients send here, too.
const IMAGE_FIELDS: [&str; 4] = ["image", "images", "image_url", "image_urls"];
/// The fields that may bring files.
const FILE_FIELDS: [(&str, Option<Role>); 3] = [("image", None), ("images", None), (MASK, Some(Role::Mask))];
const MASK: &str = "mask";

/// The field that says in which form a reply holds its images, and its two words.
const RESPONSE_FORMAT: &str = "response_format";
const BASE64: &str = "b64_json";
const URL: &str = "url";

/// Fields that OpenAI alone has, or that are for its clients' libraries: they show whose a body is.
const TYPICAL: [&str; 11] = [
    RESPONSE_FORMAT,
    "output_format",
    "output_compression",
    "background",
    "moderation",
    "partial_images",
    "input_fidelity",
    "style",
    "stream",
    "user",
    "safety_identifier",
];

/// Pictures of a text. Others' clients send images here, too.
pub(super) fn decode(call: &Call) -> Result<Draft, Failure> {
    let body = Body::of(call)?;
    let mut inputs = body.files(&FILE_FIELDS)?;
    let mut fields = body.fields()?;
    refuse_stream(&mut fields)?;
    // How the reply shall be is said by `wait`; no upstream has to know.
    fields.word(RESPONSE_FORMAT, &[BASE64, URL])?;
    inputs.extend(decode_images(&mut fields)?);
    inputs.extend(decode_mask(&mut fields)?);
    Ok(Draft {
        scope: Some(Scope::Images),
        model: fields.text("model")?,
        prompt: fields.prose("prompt")?.unwrap_or_default(),
        inputs,
        output: decode_output(&mut fields)?,
        vendor: vendor(fields)?,
        ..Draft::default()
    })
}

/// Pictures of others.
pub(super) fn decode_edit(call: &Call) -> Result<Draft, Failure> {
    let draft = decode(call)?;
    if draft.inputs.iter().all(|input| input.role == Some(Role::Mask)) {
        return Err(Failure::invalid("image", "image: at least one is required"));
    }
    Ok(draft)
}

/// Whether the reply holds the images or where they are: the client's word, else what OpenAI does with that model.
pub(super) fn wait(call: &Call) -> Wait {
    let wants_urls = || {
        let body = Body::of(call).ok()?;
        let mut fields = body.fields().ok()?;
        let said = fields.word(RESPONSE_FORMAT, &[BASE64, URL]).ok()?;
        let model = fields.text("model").ok()?.unwrap_or_default();
        Some(said.map_or(model.starts_with("dall-e"), |said| said == URL))
    };
    if wants_urls().unwrap_or_default() { Wait::ForResult } else { Wait::ForMedia }
}

/// Whether a body is one of OpenAI's clients.
pub(super) fn recognises(body: &[u8]) -> bool {
    let Ok(mut fields) = Fields::parse(body) else { return false };
    let of_openai =
        fields.text("model").is_ok_and(|model| model.is_some_and(|model| model.starts_with("dall-e")));
    of_openai || TYPICAL.iter().any(|name| fields.has(name))
}

fn refuse_stream(fields: &mut Fields<'_>) -> Result<(), Failure> {
    match fields.switch("stream")? {
        Some(true) => {
            Err(Failure::invalid("stream", "stream: true is not possible, images come when they are done"))
        }
        Some(false) | None => Ok(()),
    }
}

/// A form has files or texts, JSON a list of objects.
fn decode_images(fields: &mut Fields<'_>) -> Result<Vec<DraftInput>, Failure> {
    let mut images = Vec::new();
    if fields.is_list_of_objects("images") {
        for (field, object) in fields.objects("images")? {
            images.extend(referred(&field, object, None)?);
        }
    }
    images.extend(inputs::images(fields, &IMAGE_FIELDS, None)?);
    Ok(images)
}

fn decode_mask(fields: &mut Fields<'_>) -> Result<Vec<DraftInput>, Failure> {
    let role = Some(Role::Mask);
    if !fields.is_object(MASK) {
        return inputs::images(fields, &[MASK], role);
    }
    let mask = fields.object(MASK)?;
    mask.map_or(Ok(Vec::new()), |mask| referred(MASK, mask, role))
}

fn decode_output(fields: &mut Fields<'_>) -> Result<OutputSpec, Failure> {
    let mut output = decode_size(fields)?;
    output.count = fields.count("n")?;
    if output.count.is_some_and(|count| count > COUNT_MAX) {
        return Err(Failure::invalid("n", format!("n: allowed is 1 to {COUNT_MAX}")));
    }
    output.quality = fields.text("quality")?.map(|text| text.to_ascii_lowercase());
    output.format = fields.format("output_format")?;
    output.seed = fields.whole("seed")?.filter(|seed| *seed != 0);
    Ok(output)
}

/// `1024x1024`, or a shape as others' clients write it. The exact pixels go on to an upstream of the same API; all
/// others get what they stand for.
fn decode_size(fields: &mut Fields<'_>) -> Result<OutputSpec, Failure> {
    let mut output = OutputSpec {
        aspect_ratio: fields.text("aspect_ratio")?,
        resolution: fields.text("resolution")?.map(|text| text.to_ascii_lowercase()),
        ..OutputSpec::default()
    };
    match fields.text_kept(SIZE)? {
        Some(text) if text.eq_ignore_ascii_case("auto") => {}
        Some(text) if text.contains(':') => {
            output.aspect_ratio = output.aspect_ratio.or(fields.text(SIZE)?);
        }
        Some(text) => {
            let size = size::parse(&text).ok_or_else(|| {
                Failure::invalid(
                    SIZE,
                    "size: allowed is auto, or a width and a height in pixels, as 1024x1024",
                )
            })?;
            output.aspect_ratio = output.aspect_ratio.or_else(|| Some(size::aspect_ratio(size)));
            output.resolution =
                output.resolution.or_else(|| size::images::resolution(size).map(str::to_owned));
        }
        // An empty text is no size for anybody.
        None => drop(fields.text(SIZE)?),
    }
    Ok(output)
}

/// The finished pictures: themselves if all could be read, else where they are.
pub(super) fn encode(task: &Task, media: &[Bytes], links: &Links) -> Reply {
    let outputs: &[Output] = match &task.state {
        TaskState::Succeeded { outputs, .. } => outputs,
        _ => &[],
    };
    let data = if media.len() == outputs.len() {
        media.iter().map(|bytes| Image { b64_json: STANDARD.encode(bytes), ..Image::default() }).collect()
    } else {
        outputs.iter().map(|output| Image { url: output.url(&links.base_url), ..Image::default() }).collect()
    };
    let output = &task.request.output;
    let said = |word: Option<&str>| word.filter(|word| *word != "auto").unwrap_or_default().to_owned();
    let body = Images {
        created: task.state.ended_at().unwrap_or(task.created_at).as_secs(),
        background: said(vendor_text(task, "background")),
        data,
        output_format: format(outputs).unwrap_or_default().to_owned(),
        quality: said(output.quality.as_deref()),
        size: said(vendor_text(task, SIZE).or(output.size.as_deref())),
    };
    answer::json(StatusCode::OK, &body)
}

/// The format of the pictures as they are, whatever was asked for.
fn format(outputs: &[Output]) -> Option<&str> {
    let output = outputs.iter().find(|output| output.kind == MediaKind::Image)?;
    match &output.media {
        domain::OutputMedia::Stored { media_type, .. } => media_type.strip_prefix("image/"),
        domain::OutputMedia::Remote { .. } => None,
    }
}

fn vendor_text<'a>(task: &'a Task, name: &str) -> Option<&'a str> {
    let own = task.request.vendor.as_ref().filter(|vendor| vendor.api == NAME)?;
    own.fields.get(name)?.as_str()
}
