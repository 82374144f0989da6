//! A submission whose answer was lost, among the recent predictions.

use domain::{Call, Reply};
use serde_json::Value;

use super::prediction::PATH;
use super::submit;
use super::wire::{RecentPrediction, RecentPredictions, object};
use crate::lost::{self, Listed, Page, Sent};
use crate::refusal::puzzling;
use crate::{Found, LostSubmission, rfc3339, web};

/// The call for those since the submission, the newest first.
pub(super) fn encode(lost: &LostSubmission<'_>) -> Call {
    let since = rfc3339::text(lost::since(lost));
    Call::get(PATH).with_query(format!("created_after={}", web::component(&since)))
}

/// What the list shows.
pub(super) fn decode(lost: &LostSubmission<'_>, reply: &Reply) -> Found {
    let list: RecentPredictions = object(&reply.body).unwrap_or_default();
    let Some(predictions) = list.results.filter(|_| reply.status.is_success()) else {
        return Found::Unclear { reason: puzzling("not a list of predictions", reply) };
    };
    let predictions = lost::entries::<RecentPrediction>(predictions);
    let name = Name::of(lost.upstream_model);
    let page = Page {
        tasks: predictions.map(|prediction| listed(prediction, name)).collect(),
        has_more: list.next != Value::Null,
    };
    let mut body = lost::body_of(lost, |context| submit::encode(lost.request, context));
    let fields = body.get_mut("input").map(Value::take).unwrap_or_default();
    lost::search(lost, &Sent { model: name.text(), fields }, &page, reply)
}

/// What a list tells a model by: its version if the account names one, else `owner/name`.
#[derive(Clone, Copy)]
enum Name<'a> {
    Model(&'a str),
    Version(&'a str),
}

impl<'a> Name<'a> {
    fn of(upstream_model: &'a str) -> Self {
        match upstream_model.split_once(':') {
            Some((_, version)) => Self::Version(version),
            None if upstream_model.contains('/') => Self::Model(upstream_model),
            None => Self::Version(upstream_model),
        }
    }

    fn text(self) -> &'a str {
        match self {
            Self::Model(text) | Self::Version(text) => text,
        }
    }
}

fn listed(prediction: RecentPrediction, name: Name<'_>) -> Listed {
    let RecentPrediction { id, model, version, created_at, input } = prediction;
    Listed {
        id,
        model: if matches!(name, Name::Model(_)) { model } else { version },
        prompt: input["prompt"].as_str().unwrap_or_default().to_owned(),
        made_at: rfc3339::parse(&created_at),
        repeated: input,
    }
}
