//! Which requests go through which API: one way for each model of each API that has both faces.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::{AssetId, Call, Draft, GenerationRequest, Media, MediaForm, Scope};
use translation::{Dialect, Intent, PROVIDERS, PathParams, Provider, SubmitContext, Unsupported};

use crate::paths::match_path;

/// Where upstreams reach the gateway.
pub(crate) const BASE_URL: &str = "https://gateway.example";
/// The bytes of every asset.
pub(crate) const ASSET: &[u8] = b"\x89PNG\r\n\x1a\n of a kind";
/// Public names for models that serve whatever they are asked for.
const ANY_MODELS: [&str; 3] = ["veo3.1", "veo3.1-components", "nano-banana"];

/// A model of an API.
pub(crate) struct Way {
    pub(crate) api: &'static str,
    pub(crate) upstream_model: &'static str,
    /// The public names that it serves.
    models: Vec<String>,
    provider: &'static dyn Provider,
    dialect: &'static dyn Dialect,
}

/// All models of all APIs that have both faces.
pub(crate) fn ways() -> Vec<Way> {
    let mut ways = Vec::new();
    for provider in PROVIDERS {
        let Some(dialect) = translation::dialect(provider.name()) else { continue };
        for served in provider.models() {
            let upstream_model =
                if served.upstream_model == "*" { ANY_MODELS[0] } else { &served.upstream_model };
            let mut models: Vec<String> =
                served.serves.iter().filter(|name| !name.ends_with('*')).cloned().collect();
            if models.len() < served.serves.len() {
                models.extend(ANY_MODELS.map(str::to_owned));
            }
            if models.is_empty() {
                models.push(upstream_model.to_owned());
            }
            ways.push(Way { api: provider.name(), upstream_model, models, provider: *provider, dialect });
        }
    }
    ways
}

impl Way {
    /// The plainest requests that the model takes: one for each kind of its public names.
    pub(crate) fn requests(&self) -> Vec<GenerationRequest> {
        let mut kinds = BTreeSet::new();
        let models = self.models.iter().filter(|model| kinds.insert(kind_of(model)));
        let requests = models.map(|model| GenerationRequest::new(scope_of(model), model, "a cat"));
        requests.filter(|request| self.say(request).is_ok()).collect()
    }

    /// The request in the provider's words.
    pub(crate) fn say(&self, request: &GenerationRequest) -> Result<Call, Unsupported> {
        let context = SubmitContext::new(self.upstream_model, BASE_URL);
        self.provider.encode_submit(&self.prepared(request), &context)
    }

    /// The request as the gateway prepares it for the provider.
    pub(crate) fn prepared(&self, request: &GenerationRequest) -> GenerationRequest {
        let mut request = request.clone();
        if self.provider.wants_bytes(self.upstream_model) {
            let (id, media_type) = (AssetId::new("00112233445566778899aabbccddeeff"), "image/png".to_owned());
            request.inputs.iter_mut().for_each(|input| {
                input.media = Media::Asset { id: id.clone(), media_type: media_type.clone() };
            });
        }
        request
    }

    /// What the dialect makes of the call, or why it does not understand it.
    pub(crate) fn understand(&self, call: &Call) -> Result<Draft, String> {
        let call = filled(call);
        let endpoints = self.dialect.endpoints().iter().filter(|endpoint| endpoint.method == call.method);
        // Where several fit, the one with fewer parameters counts, as for a router.
        let (endpoint, params) = endpoints
            .filter_map(|endpoint| Some((endpoint, match_end(endpoint.path, &call.path)?)))
            .min_by_key(|(_, params)| params.0.len())
            .ok_or_else(|| format!("calls {} {}, where no client calls", call.method, call.path))?;
        match self.dialect.decode(endpoint, &params, &call) {
            Ok(Intent::Create(draft) | Intent::Derive(draft)) => Ok(*draft),
            Ok(other) => Err(format!("{} is understood as {other:?}", call.path)),
            Err(failure) => Err(format!("does not understand its own words: {failure}")),
        }
    }

    /// Whether a client's word for a model leads to this one: as the upstream's own name, or by a public name.
    pub(crate) fn is_meant_by(&self, model: &str) -> bool {
        model == self.upstream_model
            || self.provider.upstream_model(model).as_deref() == Some(self.upstream_model)
    }
}

/// The parameters of `path`, if it has the form of `pattern` or of its end: an account's base URL may hold the rest.
fn match_end(pattern: &str, path: &str) -> Option<PathParams> {
    let starts = pattern.match_indices('/').map(|(start, _)| start);
    starts.filter_map(|start| match_path(&pattern[start..], path)).next()
}

/// What of a public name has a meaning of its own: what goes in, and how large the result is.
fn kind_of(model: &str) -> (Scope, bool, bool) {
    (scope_of(model), model.contains("components"), model.ends_with("-4k"))
}

/// What a public model makes.
fn scope_of(model: &str) -> Scope {
    let makes = |words: &[&str]| words.iter().any(|word| model.contains(word));
    if makes(&["banana", "image"]) {
        Scope::Images
    } else if makes(&["suno", "tts", "speech", "music"]) {
        Scope::Audio
    } else {
        Scope::Videos
    }
}

/// The call with the bytes of its media, as the way out sends it.
fn filled(call: &Call) -> Call {
    let mut body = call.body.to_vec();
    for slot in call.media.iter().rev() {
        let bytes = match slot.form {
            MediaForm::Raw => ASSET.to_vec(),
            MediaForm::Base64 => STANDARD.encode(ASSET).into_bytes(),
        };
        body.splice(slot.at..slot.at, bytes);
    }
    Call { body: body.into(), media: Vec::new(), ..call.clone() }
}
