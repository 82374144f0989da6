//! Veo through Vertex AI as an upstream. The account's base URL holds version, project and location.

use std::sync::LazyLock;
use std::time::Duration;

use domain::{Call, Credential, GenerationRequest, OutputSpec, Pace, Reply, Timestamp};

use super::wire::{Fetch, NAME, PARENT, Response};
use super::{Vertex, token};
use crate::apis::served_models;
use crate::google::{operation, veo};
use crate::refusal::puzzling;
use crate::wishes::Wish;
use crate::{
    PollTarget, Progress, Provider, Results, ServedModel, SubmitContext, SubmitOutcome, Unsupported, web,
};

static MODELS: LazyLock<Vec<ServedModel>> = LazyLock::new(|| served_models(include_str!("models.toml")));

/// What can be asked for beyond what all APIs know.
const WISHES: [Wish; 5] = [Wish::Several, Wish::NegativePrompt, Wish::Sound, Wish::Silence, Wish::Mask];

impl Provider for Vertex {
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

    fn encode_submit(
        &self,
        request: &GenerationRequest,
        context: &SubmitContext<'_>,
    ) -> Result<Call, Unsupported> {
        let ingoing = veo::ingoing(request, &WISHES)?;
        let mut parameters = veo::parameters(request, context.upstream_model)?;
        let OutputSpec { seed, audio, enhance_prompt, .. } = &request.output;
        parameters.generate_audio = *audio;
        parameters.seed = seed.map(fold_seed);
        // Veo 3 always rewrites the prompt, and refuses to be told not to.
        parameters.enhance_prompt = enhance_prompt.filter(|is_wanted| *is_wanted);
        let path = path(context.upstream_model, "predictLongRunning");
        let mut own = request.clone();
        if let Some(vendor) = &mut own.vendor {
            vendor.fields.shift_remove(PARENT);
        }
        Ok(veo::call(path, ingoing, parameters, (&own, NAME)))
    }

    fn decode_submit(&self, reply: &Reply) -> SubmitOutcome {
        operation::submitted(reply)
    }

    fn encode_poll(&self, target: &PollTarget<'_>) -> Call {
        let body = Fetch { operation_name: target.handle };
        let path = path(target.upstream_model, "fetchPredictOperation");
        Call::post_json(path, serde_json::to_vec(&body).expect("texts encode"))
    }

    fn decode_poll(&self, _target: &PollTarget<'_>, reply: &Reply) -> Progress {
        operation::progress(reply, |response: Response| finished(&response, reply))
    }

    /// An access token, or the key file of a service account.
    fn authorize(&self, call: Call, credential: &Credential, now: Timestamp) -> Call {
        let credential = credential.expose();
        match token::signed(credential, now) {
            Some(token) => call.with_bearer(&token),
            None if token::is_token(credential) => call.with_bearer(credential),
            // A broken key file stays here; the upstream refuses the call.
            None => call,
        }
    }
}

fn path(model: &str, verb: &str) -> String {
    format!("/publishers/google/models/{}:{verb}", web::component(model))
}

/// Google's seeds have 32 bits.
fn fold_seed(seed: u64) -> u32 {
    u32::try_from(seed % (1 << 32)).unwrap_or(u32::MAX)
}

fn finished(response: &Response, reply: &Reply) -> Progress {
    if response.videos.is_empty() {
        return Progress::Failed(operation::empty(&response.rai_media_filtered_reasons, reply));
    }
    let videos = response.videos.iter();
    let delivered: Vec<_> =
        videos.filter_map(|video| operation::delivered(&video.bytes_base64_encoded)).collect();
    if !delivered.is_empty() {
        return Progress::Finished(Results::Delivered(delivered));
    }
    if response.videos.iter().any(|video| !video.gcs_uri.is_empty()) {
        return Progress::Failed(operation::out_of_reach("Google Cloud Storage"));
    }
    Progress::Unclear { reason: puzzling("done, without a usable video", reply) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_token_is_sent_as_it_is() {
        let call =
            Vertex.authorize(Call::get("/"), &Credential::new("ya29.token"), Timestamp::from_millis(0));
        assert_eq!(call.headers["authorization"], "Bearer ya29.token");
        assert!(call.headers["authorization"].is_sensitive());
    }

    #[test]
    fn a_key_file_is_never_sent_itself() {
        let file = token::tests::key_file();
        let call = Vertex.authorize(Call::get("/"), &Credential::new(&file), Timestamp::from_millis(0));
        let sent = call.headers["authorization"].to_str().unwrap();
        assert_eq!(sent.strip_prefix("Bearer "), token::signed(&file, Timestamp::from_millis(0)).as_deref());
        assert!(call.headers["authorization"].is_sensitive());
    }

    #[test]
    fn a_broken_key_file_is_never_sent_either() {
        for broken in ["{}", " {\"private_key\": \"x\"}", "[1]", "-----BEGIN PRIVATE KEY-----\nx"] {
            let call = Vertex.authorize(Call::get("/"), &Credential::new(broken), Timestamp::from_millis(0));
            assert_eq!(call.headers.get("authorization"), None, "{broken}");
        }
    }
}
