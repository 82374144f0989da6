//! kie.ai: its Veo API (`POST /api/v1/veo/generate`, `GET /api/v1/veo/record-info`), larger clips of the same
//! (`get-1080p-video`, `get-4k-video`), its jobs for all other models (`POST /api/v1/jobs/createTask`,
//! `GET /api/v1/jobs/recordInfo`) and its files, both ways.
//!
//! Its HTTP status is often 200 when its body says no: the body's own `code` counts first. Source of the rules:
//! docs.kie.ai/veo3-api, docs.kie.ai/market, and clients in the field where these are silent.

mod dialect;
mod draft;
mod enlarge;
mod jobs;
mod more_wire;
mod provider;
mod signature;
mod standing;
mod told;
mod veo;
mod wire;

/// The API; a dialect and a provider.
#[derive(Debug)]
pub struct Kie;
