//! Runway's developer API as an upstream: `POST /v1/text_to_video`, `POST /v1/image_to_video`, and `GET` and `DELETE` of
//! `/v1/tasks/{id}`.
//!
//! Each model has its own lengths and sizes, and a clip's shape is given in pixels. Source of the rules:
//! docs.dev.runwayml.com and the types of Runway's Python client. Results can be fetched for a day or two; a poll gives
//! fresh addresses.

mod models;
mod provider;
mod wire;

/// The API; a provider.
#[derive(Debug)]
pub struct Runway;
