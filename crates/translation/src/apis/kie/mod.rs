//! kie.ai, the Veo part of its API: `POST /api/v1/veo/generate`, `GET /api/v1/veo/record-info`.
//!
//! Its HTTP status is often 200 when its body says no: the body's own `code` counts first. Source of the rules:
//! docs.kie.ai/veo3-api, and clients in the field where these are silent.

mod provider;
mod wire;

/// The API; a provider only.
#[derive(Debug)]
pub struct Kie;
