//! fal's queue, both ways: `POST /{model}`, then `GET /{owner}/{app}/requests/{id}/status` until it says `COMPLETED`,
//! then `GET /{owner}/{app}/requests/{id}` for the result or the model's error. As a provider, its Veo models.
//!
//! The model's id is the path, and drops out of the paths of a request up to owner and app. An id is therefore all that
//! is kept of a submission: a reply's own addresses say the same, and must not decide where our key goes.
//! A client's webhook is told by the gateway; what is named to an upstream is an address of the gateway's own.
//! What answers on a host of its own at fal, `fal.run`, is here behind `/fal-run`, since its paths are those of
//! submissions: `FAL_RUN_HOST=host/fal-run`.
//! Deliberately absent: uploads, whose hosts are fixed in fal's Python client and whose second step, in both clients, is
//! a PUT without a key to an address that must be promised before there is a file (data URIs are taken everywhere), the stream
//! of a status, and the list of requests, which is on another host than the queue.
//! Source of the rules: fal.ai/docs (inference API, model errors, request errors), the models' schemas, fal's clients.

mod callback;
mod dialect;
mod draft;
mod ids;
mod provider;
mod reply;
mod submit;
mod wire;

/// The API; a dialect and a provider.
#[derive(Debug)]
pub struct Fal;
