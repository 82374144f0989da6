//! kie's jobs, which make everything but Veo: a request as the body of their call, and what their record says.

use domain::{Call, GenerationRequest, OutputSpec, Reply, Role, Scope};
use serde_json::{Map, Value};

use super::provider::{failed, unsupported};
use super::wire::{CALLBACK, INPUT, Job, JobRecord, NAME, ResultUrls, state};
use crate::refusal::{FAILED, INVALID, QUOTA, puzzling};
use crate::wishes::{self, Wish};
use crate::{Progress, Results, SubmitContext, Unsupported, web};

/// What the documents say of a model.
pub(super) struct JobModel {
    name: &'static str,
    /// The name of the same model when images go in.
    with_images: &'static str,
    /// The field that takes these.
    images_field: &'static str,
    images_max: usize,
    /// The tiers; none if the model has no choice.
    resolutions: &'static [&'static str],
    /// Its names of the file formats.
    formats: &'static [&'static str],
}

/// The models whose fields we know; each model has its own. Sources: docs.kie.ai/market/google/nano-banana,
/// `nano-banana-edit`, `nanobanana2` and `pro-image-to-image`.
const MODELS: [JobModel; 3] = [
    JobModel {
        name: "google/nano-banana",
        with_images: "google/nano-banana-edit",
        images_field: "image_urls",
        images_max: 10,
        resolutions: &[],
        formats: &["png", "jpeg"],
    },
    JobModel {
        name: "nano-banana-2",
        with_images: "nano-banana-2",
        images_field: "image_input",
        images_max: 14,
        resolutions: &["1K", "2K", "4K"],
        formats: &["png", "jpg"],
    },
    JobModel {
        name: "nano-banana-pro",
        with_images: "nano-banana-pro",
        images_field: "image_input",
        images_max: 8,
        resolutions: &["1K", "2K", "4K"],
        formats: &["png", "jpg"],
    },
];

const ASPECT_RATIOS: [&str; 10] = ["1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"];

/// The job's model of that name; any other name is one of Veo's.
pub(super) fn model(upstream_model: &str) -> Option<&'static JobModel> {
    MODELS.iter().find(|model| model.name == upstream_model)
}

/// The call that submits `request`, or why it cannot be expressed. Dropped, because it does not change what the client
/// gets: the switches that are for clips.
pub(super) fn encode_submit(
    model: &JobModel,
    request: &GenerationRequest,
    context: &SubmitContext<'_>,
) -> Result<Call, Unsupported> {
    if request.scope != Scope::Images {
        let reason = format!("kie's {} makes images, not {}", model.name, request.scope.as_str());
        return Err(unsupported("scope", reason));
    }
    wishes::refuse_all_but(&[Wish::Format], request, &format!("kie's {}", model.name))?;
    let images = images(model, request, context)?;
    let (vendor, mut input) = vendor(request);
    input.insert("prompt".to_owned(), request.prompt.clone().into());
    if let Some(ratio) = aspect_ratio(&request.output, !images.is_empty())? {
        input.insert("aspect_ratio".to_owned(), ratio.into());
    }
    if let Some(resolution) = resolution(model, &request.output)? {
        input.insert("resolution".to_owned(), resolution.into());
    }
    if let Some(format) = format(model, &request.output)? {
        input.insert("output_format".to_owned(), format.into());
    }
    let name = if images.is_empty() { model.name } else { model.with_images };
    if !images.is_empty() {
        input.insert(model.images_field.to_owned(), images.into());
    }
    let body = Job { model: name, call_back_url: context.callback_url, input, vendor };
    Ok(Call::post_json(
        "/api/v1/jobs/createTask",
        serde_json::to_vec(&body).expect("texts and numbers encode"),
    ))
}

/// What the record of a job says.
pub(super) fn progress(record: &JobRecord, scope: Scope, reply: &Reply) -> Progress {
    let unclear = |what: &str| Progress::Unclear { reason: puzzling(what, reply) };
    match record.state.to_ascii_lowercase().as_str() {
        state::WAITING | state::QUEUING | state::GENERATING => Progress::Running { percent: None },
        state::SUCCESS | "completed" => {
            let results: ResultUrls = serde_json::from_str(&record.result_json).unwrap_or_default();
            let sources = web::sources(results.result_urls.iter().map(String::as_str), scope.into());
            if sources.is_empty() {
                return unclear("finished without a usable URL");
            }
            Progress::Finished(Results::Kept(sources))
        }
        state::FAIL | "failed" => {
            let refusal = match record.fail_code.as_str() {
                "400" | "422" | "451" => INVALID,
                "402" | "433" => QUOTA,
                _ => FAILED,
            };
            failed(refusal, &record.fail_msg, reply)
        }
        _ => unclear("unknown state"),
    }
}

fn images(
    model: &JobModel,
    request: &GenerationRequest,
    context: &SubmitContext<'_>,
) -> Result<Vec<String>, Unsupported> {
    let images = web::input_urls(request, Role::Reference, context.base_url);
    if request.inputs.iter().any(|input| input.role == Role::Video) {
        return Err(unsupported("videos", format!("kie's {} takes no videos", model.name)));
    }
    if images.len() < request.inputs.len() {
        return Err(unsupported("images", format!("kie's {} takes reference images alone", model.name)));
    }
    if images.len() > model.images_max {
        let reason = format!("{} images, kie's {} takes {}", images.len(), model.name, model.images_max);
        return Err(unsupported("images", reason));
    }
    Ok(images)
}

/// kie's default is 1:1; with images it can look at these instead.
fn aspect_ratio(output: &OutputSpec, from_images: bool) -> Result<Option<&str>, Unsupported> {
    if let Some(size) = &output.size {
        return Err(unsupported("size", format!("{size}: kie has ratios, not sizes")));
    }
    if output.seed.is_some() {
        return Err(unsupported("seed", "kie's picture models take none"));
    }
    match output.aspect_ratio.as_deref() {
        Some(ratio) if ASPECT_RATIOS.contains(&ratio) => Ok(Some(ratio)),
        Some(ratio) => {
            Err(unsupported("aspect_ratio", format!("{ratio}: kie makes {}", ASPECT_RATIOS.join(", "))))
        }
        None if from_images => Ok(Some("auto")),
        None => Ok(None),
    }
}

/// kie's default is the smallest.
fn resolution(model: &JobModel, output: &OutputSpec) -> Result<Option<&'static str>, Unsupported> {
    let Some(wanted) = output.resolution.as_deref() else { return Ok(None) };
    let found = model.resolutions.iter().copied().find(|known| known.eq_ignore_ascii_case(wanted));
    found
        .map(Some)
        .ok_or_else(|| unsupported("resolution", format!("{wanted}: not with kie's {}", model.name)))
}

/// kie's default is `png`.
fn format(model: &JobModel, output: &OutputSpec) -> Result<Option<&'static str>, Unsupported> {
    let Some(wanted) = output.format.as_deref() else { return Ok(None) };
    let names = if wanted == "jpeg" { ["jpeg", "jpg"] } else { [wanted, wanted] };
    let found = model.formats.iter().copied().find(|known| names.contains(known));
    found.map(Some).ok_or_else(|| unsupported("format", format!("{wanted}: not with kie's {}", model.name)))
}

/// The request's fields that only this API knows: those outside `input`, but for how a client wanted to be told before
/// we did that, and those inside.
fn vendor(request: &GenerationRequest) -> (Map<String, Value>, Map<String, Value>) {
    let vendor = request.vendor.as_ref().filter(|vendor| vendor.api == NAME);
    let mut outer = vendor.map(|vendor| vendor.fields.clone()).unwrap_or_default();
    let inner = match outer.remove(INPUT) {
        Some(Value::Object(inner)) => inner,
        _ => Map::new(),
    };
    outer.remove(CALLBACK);
    (outer, inner)
}
