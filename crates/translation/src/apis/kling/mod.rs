//! Kling's own API, as an upstream: `POST` and `GET /v1/videos/{text2video,image2video,multi-image2video}[/{task_id}]`.
//!
//! What goes in decides the path, of the poll too. A credential `ACCESS_KEY:SECRET_KEY` signs a token for each call; any
//! other is sent as it is. Each answer has a `code` of its own, which counts before the HTTP status. Source of the rules:
//! app.klingai.com/global/dev/document-api (common information, text to video, image to video, multi-image to video, the
//! capability map). Each task has a name of ours, `external_task_id`, by which one is found whose answer was lost; a host that
//! forgets these names would say of each that it is not there. Deliberately absent: camera moves, voices and brushes.

mod find;
mod models;
mod provider;
mod token;
mod wire;

/// The API; a provider.
#[derive(Debug)]
pub struct Kling;
