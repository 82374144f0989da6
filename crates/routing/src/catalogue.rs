//! The public models.

use std::collections::BTreeMap;

use domain::{Draft, Failure, FailureKind, ModelSpec, Scope};
use serde::Deserialize;

const BUILTIN: &str = include_str!("catalogue.toml");

/// How many near names a refusal offers at most.
const NEAR_NAMES_MAX: usize = 3;

/// The public models by name, and the one that each scope uses when a request names none.
#[derive(Debug, Clone)]
pub struct Catalogue {
    models: BTreeMap<String, ModelSpec>,
    defaults: BTreeMap<Scope, String>,
}

/// A catalogue that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// A default that does not exist or makes something else.
    #[error("the default model for {scope}, \"{model}\", is not a model that makes {scope}")]
    Default {
        /// The scope.
        scope: &'static str,
        /// The model named.
        model: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    defaults: BTreeMap<Scope, String>,
    model: Vec<Entry>,
}

/// Models that differ in nothing but their name share an entry.
#[derive(Deserialize)]
struct Entry {
    names: Vec<String>,
    #[serde(flatten)]
    spec: Shared,
}

#[derive(Deserialize)]
struct Shared {
    scope: Scope,
    #[serde(default)]
    images: domain::ImageRule,
    #[serde(default)]
    videos_max: usize,
    #[serde(default)]
    aspect_ratios: Vec<String>,
    #[serde(default)]
    resolutions: Vec<String>,
}

impl Catalogue {
    /// The models that filmgate knows by itself (`catalogue.toml`).
    pub fn builtin() -> Self {
        let file: File =
            toml::from_str(BUILTIN).expect("the built-in catalogue is well-formed; a test reads it");
        let models = file.model.into_iter().flat_map(Entry::into_specs);
        Self { models: models.map(|spec| (spec.name.clone(), spec)).collect(), defaults: file.defaults }
    }

    /// Adds the operator's models, which win over built-in ones of the same name, and the operator's defaults.
    pub fn with(
        mut self,
        models: impl IntoIterator<Item = ModelSpec>,
        defaults: impl IntoIterator<Item = (Scope, String)>,
    ) -> Result<Self, CatalogueError> {
        self.models.extend(models.into_iter().map(|spec| (spec.name.clone(), spec)));
        self.defaults.extend(defaults);
        for (scope, model) in &self.defaults {
            if self.models.get(model).is_none_or(|spec| spec.scope != *scope) {
                return Err(CatalogueError::Default { scope: scope.as_str(), model: model.clone() });
            }
        }
        Ok(self)
    }

    /// The model of that name.
    pub fn get(&self, name: &str) -> Option<&ModelSpec> {
        self.models.get(name)
    }

    /// All models, by name.
    pub fn iter(&self) -> impl Iterator<Item = &ModelSpec> {
        self.models.values()
    }

    /// The model that `draft` asks for, or its scope's default, if that model can serve it.
    pub fn resolve(&self, draft: &Draft) -> Result<&ModelSpec, Failure> {
        let default = || draft.scope.and_then(|scope| self.defaults.get(&scope));
        let name = draft.model.as_ref().or_else(default);
        let name = name.ok_or_else(|| Failure::invalid("model", "model: required"))?;
        let spec = self.get(name).ok_or_else(|| self.unknown(name, draft.scope))?;
        spec.check(draft)?;
        Ok(spec)
    }

    fn unknown(&self, name: &str, scope: Option<Scope>) -> Failure {
        let shown: String = name.chars().take(64).collect();
        let near = self.near_names(name, scope);
        let hint =
            if near.is_empty() { String::new() } else { format!(", did you mean {}?", near.join(", ")) };
        let mut failure =
            Failure::new(FailureKind::ModelNotFound, format!("model: \"{shown}\" does not exist{hint}"));
        failure.field = Some("model".to_owned());
        failure
    }

    fn near_names(&self, name: &str, scope: Option<Scope>) -> Vec<&str> {
        // Bounds the work that a hostile name can cause.
        if name.len() > 64 {
            return Vec::new();
        }
        let lower = name.to_lowercase();
        let mut near: Vec<(usize, &str)> = self
            .models
            .values()
            .filter(|spec| scope.is_none_or(|scope| spec.scope == scope))
            .map(|spec| (edit_distance(&lower, &spec.name), spec.name.as_str()))
            .filter(|(distance, known)| *distance <= 2.max(known.len() / 3))
            .collect();
        near.sort_unstable();
        near.into_iter().take(NEAR_NAMES_MAX).map(|(_, name)| name).collect()
    }
}

impl Entry {
    fn into_specs(self) -> impl Iterator<Item = ModelSpec> {
        let Shared { scope, images, videos_max, aspect_ratios, resolutions } = self.spec;
        self.names.into_iter().map(move |name| ModelSpec {
            images,
            videos_max,
            aspect_ratios: aspect_ratios.clone(),
            resolutions: resolutions.clone(),
            ..ModelSpec::new(name, scope)
        })
    }
}

/// The Levenshtein distance in bytes, one row at a time.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, byte_a) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, byte_b) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(byte_a != byte_b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use domain::ImageUse;

    use super::*;

    fn draft(scope: Scope, model: Option<&str>) -> Draft {
        let prompt = "a cat".into();
        Draft { scope: Some(scope), model: model.map(str::to_owned), prompt, ..Draft::default() }
    }

    #[test]
    fn every_scope_has_a_default_that_exists() {
        let catalogue = Catalogue::builtin().with([], []).unwrap();
        for scope in Scope::ALL {
            assert_eq!(catalogue.resolve(&draft(scope, None)).unwrap().scope, scope);
        }
    }

    #[test]
    fn the_veo_names_of_the_contract_are_there_with_their_bounds() {
        let catalogue = Catalogue::builtin();
        let bounds = |name: &str| {
            let images = catalogue.get(name).unwrap_or_else(|| panic!("{name} is missing")).images;
            (images.min, images.max, images.used_as)
        };
        for name in ["veo2", "veo2-fast", "veo2-pro", "veo3", "veo3-fast", "veo3-pro"] {
            assert_eq!(bounds(name), (0, 0, ImageUse::Frames), "{name}");
        }
        assert_eq!(bounds("veo2-fast-frames"), (1, 2, ImageUse::Frames));
        assert_eq!(bounds("veo2-fast-components"), (1, 3, ImageUse::References));
        assert_eq!(bounds("veo3-fast-frames"), (1, 2, ImageUse::Frames));
        assert_eq!(bounds("veo3-pro-frames"), (1, 1, ImageUse::Frames));
        for name in ["veo3.1", "veo3.1-pro", "veo3.1-fast", "veo3.1-lite", "veo3.1-4k", "veo3.1-pro-4k"] {
            assert_eq!(bounds(name), (0, 2, ImageUse::Frames), "{name}");
        }
        for name in ["veo3.1-components", "veo3.1-components-4k"] {
            assert_eq!(bounds(name), (1, 3, ImageUse::References), "{name}");
            assert_eq!(catalogue.get(name).unwrap().images.bytes_max, Some(10 << 20), "{name}");
        }
    }

    #[test]
    fn an_unknown_model_is_refused_with_near_names() {
        let failure = Catalogue::builtin().resolve(&draft(Scope::Videos, Some("veo31-fast"))).unwrap_err();
        assert_eq!(failure.kind, FailureKind::ModelNotFound);
        assert!(failure.public.contains("veo3.1-fast"), "{}", failure.public);
        let long = "x".repeat(100_000);
        let failure = Catalogue::builtin().resolve(&draft(Scope::Videos, Some(&long))).unwrap_err();
        assert!(failure.public.len() < 200);
    }

    #[test]
    fn a_default_of_another_scope_is_refused() {
        let wrong = Catalogue::builtin().with([], [(Scope::Audio, "veo3".to_owned())]);
        assert_eq!(wrong.unwrap_err(), CatalogueError::Default { scope: "audio", model: "veo3".to_owned() });
    }

    #[test]
    fn edit_distance_counts_edits() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("abc", "abc"), 0);
    }
}
