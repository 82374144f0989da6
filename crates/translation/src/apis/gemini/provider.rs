//! Veo through the Gemini API as an upstream.

use std::sync::LazyLock;
use std::time::Duration;

use domain::{Call, Credential, GenerationRequest, MediaKind, Pace, Reply, Role, Timestamp};
use http::HeaderName;

use super::Gemini;
use super::wire::{NAME, Response, Video};
use crate::apis::served_models;
use crate::google::{operation, veo};
use crate::refusal::puzzling;
use crate::wishes::Wish;
use crate::{
    PollTarget, Progress, Provider, Results, ServedModel, SubmitContext, SubmitOutcome, Unsupported, web,
};

static MODELS: LazyLock<Vec<ServedModel>> = LazyLock::new(|| served_models(include_str!("models.toml")));

/// The header of the account's key.
const KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

/// What can be asked for beyond what all APIs know; every clip has sound.
const WISHES: [Wish; 3] = [Wish::Several, Wish::NegativePrompt, Wish::Sound];

impl Provider for Gemini {
    fn name(&self) -> &'static str {
        NAME
    }

    fn models(&self) -> &'static [ServedModel] {
        &MODELS
    }

    fn pace(&self) -> Pace {
        Pace {
            first: Duration::from_secs(20),
            shortest: Duration::from_secs(5),
            longest: Duration::from_secs(20),
        }
    }

    fn wants_bytes(&self, _upstream_model: &str) -> bool {
        true
    }

    /// Dropped, because this service does it anyway, or makes the same kind of clip without: `enhance_prompt`, `seed`.
    fn encode_submit(
        &self,
        request: &GenerationRequest,
        context: &SubmitContext<'_>,
    ) -> Result<Call, Unsupported> {
        let model = context.upstream_model;
        let ingoing = veo::ingoing(request, &WISHES)?;
        let parameters = veo::parameters(request, model)?;
        if request.inputs.iter().any(|input| input.role == Role::Video) {
            return Err(veo::unsupported("videos", "the Gemini API goes on from clips of its own only"));
        }
        let path = format!("/v1beta/models/{}:predictLongRunning", web::component(model));
        Ok(veo::call(path, ingoing, parameters, (request, NAME)))
    }

    fn decode_submit(&self, reply: &Reply) -> SubmitOutcome {
        operation::submitted(reply)
    }

    /// By the operation's own name, if it is one of the forms that Google has.
    fn encode_poll(&self, target: &PollTarget<'_>) -> Call {
        let parts: Vec<&str> = target.handle.split('/').collect();
        let is_sane = parts.iter().all(|part| web::handle(part).is_ok());
        Call::get(match parts[..] {
            ["models", model, "operations", id] if is_sane => operation_path(model, id),
            ["operations", id] if is_sane => format!("/v1beta/operations/{}", web::component(id)),
            _ => operation_path(target.upstream_model, target.handle),
        })
    }

    fn decode_poll(&self, _target: &PollTarget<'_>, reply: &Reply) -> Progress {
        operation::progress(reply, |response: Response| finished(response, reply))
    }

    fn authorize(&self, call: Call, credential: &Credential, _now: Timestamp) -> Call {
        call.with_secret(KEY, credential.expose())
    }
}

fn operation_path(model: &str, id: &str) -> String {
    format!("/v1beta/models/{}/operations/{}", web::component(model), web::component(id))
}

fn finished(response: Response, reply: &Reply) -> Progress {
    let Some(samples) = response.generate_video_response else {
        return Progress::Unclear { reason: puzzling("done, without a response that we know", reply) };
    };
    let videos: Vec<Video> =
        samples.generated_samples.into_iter().filter_map(|sample| sample.video).collect();
    if videos.is_empty() {
        return Progress::Failed(operation::empty(&samples.rai_media_filtered_reasons, reply));
    }
    let mut sources = web::sources(videos.iter().map(|video| video.uri.as_str()), MediaKind::Video);
    for source in &mut sources {
        source.needs_credential = is_file(&source.url);
    }
    if !sources.is_empty() {
        return Progress::Finished(Results::Kept(sources));
    }
    let delivered: Vec<_> =
        videos.iter().filter_map(|video| operation::delivered(&video.encoded_video)).collect();
    if delivered.is_empty() {
        return Progress::Unclear { reason: puzzling("done, without a usable video", reply) };
    }
    Progress::Finished(Results::Delivered(delivered))
}

/// Whether an address is that of a file of this API, which wants the key. No other host gets to see it.
fn is_file(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.contains("/files/") && path.ends_with(":download")
}
