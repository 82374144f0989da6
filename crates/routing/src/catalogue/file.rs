//! The built-in models, as they stand in `catalogue.toml`.

use std::collections::BTreeMap;

use domain::{ImageRule, ModelSpec, Scope};
use serde::Deserialize;

const BUILTIN: &str = include_str!("../catalogue.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    defaults: BTreeMap<Scope, String>,
    model: Vec<Entry>,
}

/// Models that differ in nothing but their names share an entry.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    names: Vec<String>,
    scope: Scope,
    #[serde(default)]
    images: ImageRule,
    #[serde(default)]
    videos_max: usize,
    #[serde(default)]
    aspect_ratios: Vec<String>,
    #[serde(default)]
    resolutions: Vec<String>,
    /// The other names of each, by its name.
    #[serde(default)]
    aliases: BTreeMap<String, Vec<String>>,
    /// Whether clients should leave all of them.
    #[serde(default)]
    deprecated: bool,
    /// What replaces each, by its name.
    #[serde(default)]
    replaced_by: BTreeMap<String, String>,
}

/// The built-in models by name, and the one for each scope.
pub(super) fn builtin() -> (BTreeMap<String, ModelSpec>, BTreeMap<Scope, String>) {
    let File { defaults, model } =
        toml::from_str(BUILTIN).expect("the built-in catalogue is well-formed; a test reads it");
    let models = model.into_iter().flat_map(Entry::into_specs);
    (models.map(|spec| (spec.name.clone(), spec)).collect(), defaults)
}

impl Entry {
    fn into_specs(mut self) -> Vec<ModelSpec> {
        let names = std::mem::take(&mut self.names);
        let spec = |name: String| ModelSpec {
            images: self.images,
            videos_max: self.videos_max,
            aspect_ratios: self.aspect_ratios.clone(),
            resolutions: self.resolutions.clone(),
            aliases: self.aliases.remove(&name).unwrap_or_default(),
            deprecated: self.deprecated,
            replaced_by: self.replaced_by.remove(&name),
            ..ModelSpec::new(name, self.scope)
        };
        let specs = names.into_iter().map(spec).collect();
        assert!(
            self.aliases.is_empty() && self.replaced_by.is_empty(),
            "the built-in catalogue speaks of names that their entry does not have; a test reads it"
        );
        specs
    }
}
