//! Luma's Dream Machine as an upstream, for its Ray models: `POST /dream-machine/v1/generations/video`, `GET
//! /dream-machine/v1/generations/{id}`, the list of them, and `POST .../upscale` of a finished clip.
//!
//! Images go in by address alone. Source of the rules: docs.lumalabs.ai and the types of Luma's Python client. There is no
//! call to stop a generation, only one to delete it.

mod find;
mod provider;
mod wire;

/// The API; a provider.
#[derive(Debug)]
pub struct Luma;
