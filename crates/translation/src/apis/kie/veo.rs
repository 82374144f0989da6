//! kie's Veo: a request as the body of its call, and what its record says.

use std::ops::RangeInclusive;

use domain::{Call, GenerationRequest, MediaKind, OutputSpec, Reply, Role, Scope};
use serde_json::{Map, Value};

use super::provider::{failed, unsupported};
use super::wire::{CALLBACK, Generate, GenerationType, INPUT, NAME, Record, veo};
use crate::refusal::{FAILED, INVALID, puzzling};
use crate::wishes::{self, Wish};
use crate::{Progress, Results, SubmitContext, Unsupported, web};

/// Most reference images.
const REFERENCES_MAX: usize = 3;
/// The seeds that kie takes; others are folded into them.
const SEEDS: RangeInclusive<u64> = 10_000..=99_999;
/// Clip lengths in seconds.
const DURATIONS_S: [u32; 3] = [4, 6, 8];

/// The call that submits `request`, or why it cannot be expressed.
pub(super) fn encode_submit(
    request: &GenerationRequest,
    context: &SubmitContext<'_>,
) -> Result<Call, Unsupported> {
    if request.scope != Scope::Videos {
        return Err(unsupported("scope", format!("kie's Veo makes videos, not {}", request.scope.as_str())));
    }
    // Its clips have sound, whether one asks for it or not.
    wishes::refuse_all_but(&[Wish::Sound], request, "kie's Veo")?;
    // Beside a ratio, a size says the same again; alone it would be lost.
    if let (Some(size), None) = (&request.output.size, &request.output.aspect_ratio) {
        return Err(unsupported("size", format!("{size}: kie has ratios, not sizes")));
    }
    let (generation_type, image_urls) = images(request, context)?;
    let body = Generate {
        prompt: &request.prompt,
        model: context.upstream_model,
        generation_type,
        aspect_ratio: aspect_ratio(&request.output, generation_type)?,
        resolution: resolution(request)?,
        duration: request.output.duration_s.filter(|duration| DURATIONS_S.contains(duration)),
        seeds: request.output.seed.map(fold_seed),
        enable_translation: request.output.enhance_prompt,
        call_back_url: context.callback_url,
        image_urls,
        vendor: vendor(request),
    };
    Ok(Call::post_json("/api/v1/veo/generate", serde_json::to_vec(&body).expect("texts and numbers encode")))
}

/// What the record of a task says; `said` is what stands beside it.
pub(super) fn progress(record: &Record, said: &str, reply: &Reply) -> Progress {
    let unclear = |what: &str| Progress::Unclear { reason: puzzling(what, reply) };
    match record.flag() {
        Some(0) => Progress::Running { percent: None },
        Some(1) => finished(record).unwrap_or_else(|| unclear("finished without a usable URL")),
        Some(2 | 3) => {
            let refusal = if matches!(record.error_code, Some(400 | 451)) { INVALID } else { FAILED };
            let said = if record.error_message.is_empty() { said } else { &record.error_message };
            failed(refusal, said, reply)
        }
        _ => unclear("unknown successFlag"),
    }
}

/// `None` if there are URLs and none is usable. No URL at all means that kie has not written them down yet.
fn finished(record: &Record) -> Option<Progress> {
    let urls = record.urls();
    if urls.is_empty() {
        return Some(Progress::Running { percent: None });
    }
    let sources = web::sources(urls.iter().map(String::as_str), MediaKind::Video);
    (!sources.is_empty()).then_some(Progress::Finished(Results::Kept(sources)))
}

/// The images in kie's order, first frame before last, and what they are for.
fn images(
    request: &GenerationRequest,
    context: &SubmitContext<'_>,
) -> Result<(GenerationType, Vec<String>), Unsupported> {
    let of = |role| web::input_urls(request, role, context.base_url);
    let (mut first, last, references) = (of(Role::FirstFrame), of(Role::LastFrame), of(Role::Reference));
    if !of(Role::Video).is_empty() {
        return Err(unsupported("videos", "kie's Veo takes no videos"));
    }
    match (first.len(), last.len(), references.len()) {
        (0, 0, 0) => Ok((GenerationType::Text, Vec::new())),
        (1, 0 | 1, 0) => {
            first.extend(last);
            Ok((GenerationType::Frames, first))
        }
        (0, 0, 1..) if context.upstream_model == veo::QUALITY => {
            Err(unsupported("images", "kie's veo3 takes no reference images, veo3_fast and veo3_lite do"))
        }
        (0, 0, ..=REFERENCES_MAX) => Ok((GenerationType::References, references)),
        (0, 0, count) => {
            Err(unsupported("images", format!("{count} reference images, kie takes {REFERENCES_MAX}")))
        }
        _ => Err(unsupported("images", "kie takes one first frame and one last frame, or references alone")),
    }
}

fn fold_seed(seed: u64) -> u64 {
    if SEEDS.contains(&seed) { seed } else { SEEDS.start() + seed % 90_000 }
}

/// kie's default is 16:9; with images it can look at these instead.
fn aspect_ratio(output: &OutputSpec, images: GenerationType) -> Result<Option<&str>, Unsupported> {
    match output.aspect_ratio.as_deref() {
        Some(ratio @ ("16:9" | "9:16")) => Ok(Some(ratio)),
        Some(ratio) if ratio.eq_ignore_ascii_case("auto") => Ok(Some("Auto")),
        Some(ratio) => Err(unsupported("aspect_ratio", format!("{ratio}: kie makes 16:9 and 9:16"))),
        None if images == GenerationType::Text => Ok(None),
        None => Ok(Some("Auto")),
    }
}

/// The public names that end in `-4k` stand for the same models with larger output.
fn resolution(request: &GenerationRequest) -> Result<Option<&str>, Unsupported> {
    if request.model.ends_with("-4k") {
        return Ok(Some("4k"));
    }
    match request.output.resolution.as_deref() {
        Some(resolution @ ("720p" | "1080p" | "4k")) => Ok(Some(resolution)),
        Some(resolution) => {
            Err(unsupported("resolution", format!("{resolution}: kie makes 720p, 1080p and 4k")))
        }
        None if request.output.upsample == Some(true) => Ok(Some("1080p")),
        None => Ok(None),
    }
}

/// The fields that only this API knows, but for how a client wanted to be told before we did that, and what belongs to
/// a job.
fn vendor(request: &GenerationRequest) -> Map<String, Value> {
    let vendor = request.vendor.as_ref().filter(|vendor| vendor.api == NAME);
    let mut fields = vendor.map(|vendor| vendor.fields.clone()).unwrap_or_default();
    fields.retain(|name, _| name != CALLBACK && name != INPUT);
    fields
}
