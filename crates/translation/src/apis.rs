//! The registry: one `mod` line and one line per face for each API.

pub mod apimart;
pub mod apixo;
pub mod evolink;
pub mod fal;
pub mod gemini;
pub mod interactions;
pub mod kie;
pub mod kling;
pub mod luma;
pub mod minimax;
pub mod openai;
pub mod replicate;
pub mod runway;
pub mod seedance;
pub mod v2;
pub mod vertex;

use serde::Deserialize;

use crate::{Dialect, Provider, ServedModel};

/// The APIs that clients may speak. Where two claim a path, the earlier wins.
pub static DIALECTS: &[&dyn Dialect] = &[
    &v2::V2,
    &apixo::Apixo,
    &evolink::EvoLink,
    &apimart::ApiMart,
    &fal::Fal,
    &gemini::Gemini,
    &interactions::Interactions,
    &kie::Kie,
    &openai::OpenAi,
    &replicate::Replicate,
    &vertex::Vertex,
];

/// The APIs that we speak to upstreams.
pub static PROVIDERS: &[&dyn Provider] = &[
    &kie::Kie,
    &v2::V2,
    &apimart::ApiMart,
    &apixo::Apixo,
    &evolink::EvoLink,
    &fal::Fal,
    &gemini::Gemini,
    &interactions::Interactions,
    &kling::Kling,
    &luma::Luma,
    &minimax::MiniMax,
    &openai::OpenAi,
    &replicate::Replicate,
    &runway::Runway,
    &seedance::Seedance,
    &vertex::Vertex,
];

/// The dialect of that name.
pub fn dialect(name: &str) -> Option<&'static dyn Dialect> {
    DIALECTS.iter().copied().find(|dialect| dialect.name() == name)
}

/// The provider of that name.
pub fn provider(name: &str) -> Option<&'static dyn Provider> {
    PROVIDERS.iter().copied().find(|provider| provider.name() == name)
}

/// The table of a folder's `models.toml`, which is part of the program.
fn served_models(table: &str) -> Vec<ServedModel> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Table {
        models: Vec<ServedModel>,
    }

    toml::from_str::<Table>(table).expect("the registration test reads every models.toml").models
}
