//! fal's queue, both ways: `POST /{model}`, then `GET /{owner}/{app}/requests/{id}/status` until it says `COMPLETED`,
//! then `GET /{owner}/{app}/requests/{id}` for the result or the model's error. As a provider, its Veo models.
//!
//! The model's id is the path, and drops out of the paths of a request up to owner and app. An id is therefore all that
//! is kept of a submission: a reply's own addresses say the same, and must not decide where our key goes.
//! Source of the rules: fal.ai/docs (inference API, model errors, request errors), the models' schemas, fal's clients.

mod dialect;
mod ids;
mod provider;
mod wire;

/// The API; a dialect and a provider.
#[derive(Debug)]
pub struct Fal;
