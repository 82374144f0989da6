//! Replicate's predictions, both ways: `POST /v1/models/{owner}/{name}/predictions`, `POST /v1/predictions`,
//! `GET /v1/predictions/{id}`, `POST /v1/predictions/{id}/cancel`; the list of them; from clients also files.
//!
//! One endpoint for all models, which differ in what stands in `input`; here these are the fields of the Veo models.
//! Source of the rules: replicate.com/docs/reference/http, the models' own schemas there, and its Python and
//! JavaScript clients, which are what speaks it to us. Its results can be fetched for about an hour.

mod dialect;
mod draft;
mod find;
mod names;
mod prediction;
mod provider;
mod submit;
mod wire;

/// The API; a dialect and a provider.
#[derive(Debug)]
pub struct Replicate;
