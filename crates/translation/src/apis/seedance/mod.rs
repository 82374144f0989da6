//! Seedance at its maker, as an upstream: the video tasks of BytePlus ModelArk and of Volcengine Ark, which are one API on
//! two hosts: `POST /api/v3/contents/generations/tasks`, `GET` and `DELETE .../tasks/{id}`.
//!
//! What is wanted stands in fields of its own, not in commands behind the prompt (`--ratio`), which the documents call the
//! old way. Deliberately not sent is `DELETE`: it stops a task that waits, but for one that has ended it removes the
//! record, and with it a clip that has been paid for; a wish to stop is repeated until the task has ended, so it would meet
//! one. Source of the rules: docs.byteplus.com/en/docs/ModelArk/1520757,
//! /1521309, /1521720 and volcengine.com/docs/82379 (the same pages, the models, the error codes). Deliberately absent:
//! drafts, `frames`, `camera_fixed`, `service_tier`, `callback_url`, and the list of tasks, which shows no prompts to tell a lost
//! one by.

mod models;
mod provider;
mod wire;

/// The API; a provider.
#[derive(Debug)]
pub struct Seedance;
