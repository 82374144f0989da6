//! APIMart, both ways: `POST /v1/{videos,images,audios}/generations`, `POST /v1/videos/{task_id}/remix`,
//! `GET /v1/tasks/{task_id}`, `POST /v1/uploads/images`.
//!
//! Another API has the same paths, but not the envelopes: here everything is in `data` beside a `code` that counts
//! before the HTTP status. A client that sends `X-APIMart-Response-Version` gets the reply to a submission in the
//! shape of that date. Source of the rules: docs.apimart.ai, and APIMart's own client where it is silent.

mod dialect;
mod draft;
mod provider;
mod submit;
mod wire;

/// The API; a dialect and a provider.
#[derive(Debug)]
pub struct ApiMart;
