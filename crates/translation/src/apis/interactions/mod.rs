//! Google's Interactions API for clips, both ways: `POST /v1beta/interactions`, and `GET`, `DELETE` and `POST .../cancel`
//! of `/v1beta/interactions/{id}`.
//!
//! Source of the rules: the pages on Omni, on errors and on webhooks at ai.google.dev, the types of Google's Python and
//! JavaScript clients, and replies seen in the field. What is odd about it: a prompt binds images to their parts by words
//! in angle brackets; a refusal may be a completed interaction that says why in words; results are in the reply, or,
//! where a client asks for that, at an address that wants the key.

mod dialect;
mod draft;
mod provider;
mod wire;

/// The API; a dialect and a provider.
#[derive(Debug)]
pub struct Interactions;
