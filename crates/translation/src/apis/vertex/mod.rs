//! Veo through Vertex AI (Google's Agent Platform), both ways:
//! `POST .../publishers/google/models/{model}:predictLongRunning`, and `:fetchPredictOperation` beside it, which asks by
//! the operation's name.
//!
//! Paths begin with a version, a project and a location, or with the version alone for those with an API key. Clips come in
//! the reply itself unless the caller names a bucket, which we never do. An account has an access token, or the key file
//! of a service account, with which it signs its own. Source of the rules:
//! cloud.google.com/vertex-ai/generative-ai/docs/model-reference/veo-video-generation, and Google's clients.

mod dialect;
mod provider;
mod token;
mod wire;

/// The API; a dialect and a provider.
#[derive(Debug)]
pub struct Vertex;
