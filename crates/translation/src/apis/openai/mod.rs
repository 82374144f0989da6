//! The Videos part of OpenAI's API, both ways: `POST /v1/videos`, `GET /v1/videos/{id}`, `GET /v1/videos/{id}/content`.
//!
//! Its own host has closed this part; other hosts and many clients still speak it, each host with its own place for a
//! result's URL. Results that only `/content` has need the key, and are not fetched yet: a finished task without a URL
//! stays unclear. Source of the rules: OpenAI's API reference, and its Python and JavaScript clients.

mod dialect;
mod provider;
mod size;
mod wire;

/// The API; a dialect and a provider.
#[derive(Debug)]
pub struct OpenAi;
