//! Seedance at its maker, as an upstream: the video tasks of BytePlus ModelArk and of Volcengine Ark, which are one API on
//! two hosts: `POST /api/v3/contents/generations/tasks`, `GET` and `DELETE .../tasks/{id}`.
//!
//! What is wanted stands in fields of its own, not in commands behind the prompt (`--ratio`), which the documents call the
//! old way. `DELETE` stops a task that waits and is refused for one at work; for one that has ended it removes the record,
//! so it is sent only where a client wants the task gone. Source of the rules: docs.byteplus.com/en/docs/ModelArk/1520757,
//! /1521309, /1521720 and volcengine.com/docs/82379 (the same pages, the models, the error codes). Deliberately absent:
//! drafts, `frames`, `camera_fixed`, `service_tier`, `callback_url`.

mod models;
mod provider;
mod wire;

/// The API; a provider.
#[derive(Debug)]
pub struct Seedance;
