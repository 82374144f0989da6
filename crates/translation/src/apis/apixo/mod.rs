//! apixo.ai: `POST /api/v1/generateTask/{model}`, `GET /api/v1/statusTask/{model}?taskId=`, both ways.
//!
//! The model is a part of both paths. Its Veo is one model with a mode and a generation type, so a public name, which
//! says all three, becomes the three and back. Results come as JSON in a text. Source of the rules: apixo.ai/docs
//! (models/video/veo-3-1, models/image/nano-banana, api-reference).

mod dialect;
mod draft;
mod input;
mod provider;
mod wire;

/// The API; a dialect and a provider.
#[derive(Debug)]
pub struct Apixo;
