//! apixo as an upstream.

use std::sync::LazyLock;
use std::time::Duration;

use domain::{Call, GenerationRequest, Pace, Preference, Reply, Scope, Strategy};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Apixo;
use super::input;
use super::wire::{Envelope, INPUT, NAME, Record, Submission, Submitted, VEO, request_type, route, state};
use crate::apis::served_models;
use crate::refusal::{AUTH, CLOSED, FAILED, INVALID, POLICY, QUOTA, Refusal, puzzling};
use crate::{
    PollTarget, Progress, Provider, Results, ServedModel, SubmitContext, SubmitOutcome, Unsupported, web,
};

static MODELS: LazyLock<Vec<ServedModel>> = LazyLock::new(|| served_models(include_str!("models.toml")));

/// Fields of a client's own call, as they were kept before, that say how it wants to be told: we tell it ourselves.
const NOT_PASSED_ON: [&str; 3] = ["request_type", "callback_url", INPUT];

impl Provider for Apixo {
    fn name(&self) -> &'static str {
        NAME
    }

    fn models(&self) -> &'static [ServedModel] {
        &MODELS
    }

    /// The documents advise 90 seconds and then every 5; pictures and the fast mode are done long before.
    fn pace(&self) -> Pace {
        Pace {
            first: Duration::from_secs(15),
            shortest: Duration::from_secs(5),
            longest: Duration::from_secs(15),
        }
    }

    fn encode_submit(
        &self,
        request: &GenerationRequest,
        context: &SubmitContext<'_>,
    ) -> Result<Call, Unsupported> {
        let (model, mode) = model_and_mode(context.upstream_model);
        let (vendor, vendor_input) = vendor(request);
        let path = format!("/api/v1/generateTask/{}", web::component(model));
        // Where TLS is not spoken, apixo would refuse the whole.
        let callback_url = context.callback_url.filter(|url| url.starts_with("https://"));
        match (request.scope, model) {
            (Scope::Videos, VEO) => {
                let input = input::encode_veo(request, mode, context.base_url, vendor_input)?;
                Ok(submission(path, request, callback_url, input, vendor))
            }
            (Scope::Images, model) if model != VEO => {
                let input = input::encode_image(request, model, context.base_url, vendor_input)?;
                Ok(submission(path, request, callback_url, input, vendor))
            }
            (scope, model) => Err(Unsupported {
                field: "scope",
                reason: format!("apixo's {model} is not known here to make {}", scope.as_str()),
            }),
        }
    }

    fn decode_submit(&self, reply: &Reply) -> SubmitOutcome {
        let envelope = Envelope::<Submitted>::parse(&reply.body);
        let code = envelope.as_ref().and_then(|envelope| envelope.code);
        let (message, data) = envelope.map(|envelope| (envelope.message, envelope.data)).unwrap_or_default();
        let Submitted { task_id, error } = data.unwrap_or_default();
        let said = if error.is_empty() { message } else { format!("{message}: {error}") };
        if reply.status.is_success() && code.is_none_or(|code| code == 200) {
            return match web::handle(&task_id) {
                Ok(handle) => SubmitOutcome::Accepted { handle },
                Err(reason) => SubmitOutcome::Unknown { reason: puzzling(&reason, reply) },
            };
        }
        match refusal(reply.status, code, &said) {
            Some(refusal) => SubmitOutcome::Rejected(refusal.or_policy(&said).failure_in(reply, &said)),
            None => SubmitOutcome::Unknown { reason: puzzling("neither accepted nor refused", reply) },
        }
    }

    /// The body is that of a poll.
    fn handle_in_callback(&self, call: &Call) -> Option<String> {
        let envelope = Envelope::<Submitted>::parse(&call.body)?;
        web::handle(&envelope.data?.task_id).ok()
    }

    fn encode_poll(&self, target: &PollTarget<'_>) -> Call {
        let (model, _) = model_and_mode(target.upstream_model);
        Call::get(format!("/api/v1/statusTask/{}", web::component(model)))
            .with_query(format!("taskId={}", web::component(target.handle)))
    }

    fn decode_poll(&self, target: &PollTarget<'_>, reply: &Reply) -> Progress {
        let unclear = |what: &str| Progress::Unclear { reason: puzzling(what, reply) };
        if reply.status != StatusCode::OK {
            return unclear("not a word on the task");
        }
        let Some(envelope) = Envelope::<Record>::parse(&reply.body) else {
            return unclear("not apixo's JSON");
        };
        let record = match (envelope.code, envelope.data) {
            (None | Some(200), Some(record)) => record,
            (None | Some(200), None) => return unclear("no record of the task"),
            _ => return unclear("not a word on the task"),
        };
        match record.state.to_ascii_lowercase().as_str() {
            state::PENDING | state::PROCESSING => Progress::Running { percent: None },
            state::SUCCESS => {
                let urls = record.urls();
                let sources = web::sources(urls.iter().map(String::as_str), target.scope().into());
                if sources.is_empty() {
                    return unclear("finished without a usable URL");
                }
                Progress::Finished(Results::Kept(sources))
            }
            state::FAILED => {
                let refusal = failure_by_code(&record.fail_code).or_policy(&record.fail_msg);
                Progress::Failed(refusal.failure_in(reply, &record.fail_msg))
            }
            _ => unclear("unknown state"),
        }
    }
}

/// `veo-3-1/fast` is the model and its mode; the mode is empty where a model has none.
fn model_and_mode(upstream_model: &str) -> (&str, &str) {
    upstream_model.split_once('/').unwrap_or((upstream_model, ""))
}

fn submission(
    path: String,
    request: &GenerationRequest,
    callback_url: Option<&str>,
    input: impl Serialize,
    vendor: Map<String, Value>,
) -> Call {
    let provider = match &request.preference {
        Preference { official: true, .. } => Some(route::OFFICIAL),
        Preference { strategy: Some(Strategy::Cheapest), .. } => Some(route::CHEAPEST),
        _ => None,
    };
    let request_type = if callback_url.is_some() { request_type::CALLBACK } else { request_type::ASYNC };
    let body = Submission { request_type, callback_url, provider, input, vendor };
    Call::post_json(path, serde_json::to_vec(&body).expect("texts and numbers encode"))
}

/// The request's fields that only this API knows: those outside `input`, and those inside.
fn vendor(request: &GenerationRequest) -> (Map<String, Value>, Map<String, Value>) {
    let vendor = request.vendor.as_ref().filter(|vendor| vendor.api == NAME);
    let mut outer = vendor.map(|vendor| vendor.fields.clone()).unwrap_or_default();
    let inner = match outer.remove(INPUT) {
        Some(Value::Object(inner)) => inner,
        _ => Map::new(),
    };
    outer.retain(|name, _| !NOT_PASSED_ON.contains(&name.as_str()));
    (outer, inner)
}

/// What a reply without a task id proves. Status and body say the same code; where they do not, a status that leaves
/// the matter open does, and else the body counts.
fn refusal(status: StatusCode, code: Option<i64>, said: &str) -> Option<Refusal> {
    if Refusal::leaves_open(status) {
        return None;
    }
    let code =
        code.and_then(|code| u16::try_from(code).ok()).and_then(|code| StatusCode::from_u16(code).ok());
    let code = code.unwrap_or(status);
    let said = said.to_ascii_lowercase();
    match code.as_u16() {
        400 if said.contains("credit") || said.contains("balance") => Some(QUOTA),
        // The newer documents call it a breach of the content policy, the older ones a lack of permission.
        403 if INVALID.or_policy(&said) == POLICY => Some(POLICY),
        _ => Refusal::by_status(code),
    }
}

/// What a task's `failCode` means. The documents have two lists, with the same meanings in two spellings.
fn failure_by_code(code: &str) -> Refusal {
    const POLICY_WORDS: [&str; 4] = ["sensitive", "nsfw", "contentviolation", "prohibited"];
    const INVALID_WORDS: [&str; 5] =
        ["prompt", "imageurl", "imagetoolarge", "unsupportedformat", "imagedownload"];
    let code = code.replace('_', "").to_ascii_lowercase();
    let speaks_of = |words: &[&str]| words.iter().any(|word| code.contains(word));
    match code.as_str() {
        "401" | "unauthorized" => AUTH,
        "insufficientcredits" | "insufficientbalance" => QUOTA,
        "modelunavailable" | "serviceunavailable" => CLOSED,
        _ if speaks_of(&POLICY_WORDS) => POLICY,
        _ if speaks_of(&INVALID_WORDS) => INVALID,
        _ => FAILED,
    }
}
