//! Veo through the Gemini API, both ways: `POST /v1beta/models/{model}:predictLongRunning`, and the operation that it
//! starts: `GET /v1beta/models/{model}/operations/{id}`.
//!
//! Media goes into the body as base64, and a result is read at `/v1beta/files/{id}:download` with the key. An operation
//! can be done without a clip: the reasons of the filters stand in its response then. Source of the rules:
//! ai.google.dev/gemini-api/docs/video, and Google's clients in Python and JavaScript.

mod dialect;
mod files;
mod provider;
mod wire;

/// The API; a dialect and a provider.
#[derive(Debug)]
pub struct Gemini;
