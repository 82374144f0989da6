//! The parts of OpenAI's API that make media, both ways: videos (`/v1/videos`), images (`/v1/images/generations`,
//! `/v1/images/edits`) and speech (`/v1/audio/speech`).
//!
//! Images and speech are synchronous: the reply is the result. Videos are tasks; OpenAI's own host has closed them, other
//! hosts and many clients still speak them, each host with its own place for a result's URL. Deliberately absent:
//! streams of partial images or sound, variations, thumbnails, edits and extensions of videos. Source of the rules:
//! OpenAI's API reference, its published OpenAPI document, and its Python and JavaScript clients.

mod dialect;
mod provider;
mod size;
mod wire;

/// The API; a dialect and a provider.
#[derive(Debug)]
pub struct OpenAi;
