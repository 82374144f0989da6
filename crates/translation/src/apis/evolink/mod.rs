//! EvoLink, both ways: `POST /v1/{videos,images,audios}/generations`, `GET /v1/tasks/{task_id}`, and
//! `POST /api/v1/files/upload/{base64,stream,url}`.
//!
//! A submission and a poll are answered with the same object; errors of HTTP and errors of a task have codes of their
//! own. Source of the rules: docs.evolink.ai, and EvoLink's own clients where it is silent.

mod dialect;
mod draft;
mod files;
mod provider;
mod wire;

/// The API; a dialect and a provider.
#[derive(Debug)]
pub struct EvoLink;
