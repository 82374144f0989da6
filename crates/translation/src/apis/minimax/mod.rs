//! MiniMax's own API, as an upstream: clips (`POST /v1/video_generation`, `GET /v1/query/video_generation`, and `GET
//! /v1/files/retrieve` for where the clip is) and speech (`POST /v1/t2a_v2`, whose answer holds the sound itself).
//!
//! Its HTTP status is 200 whatever happens: `base_resp.status_code` tells. Source of the rules:
//! platform.minimax.io/docs/api-reference (video generation, files, T2A HTTP, error codes). Deliberately absent:
//! `callback_url`, the `/v2` pair of its newest clip model, music, and voices made from samples.

mod clip;
mod provider;
mod speech;
mod wire;

/// The API; a provider.
#[derive(Debug)]
pub struct MiniMax;
