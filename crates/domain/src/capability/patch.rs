//! What an operator says of a public model: that there is a new one, or what of a known one is different.

use crate::{ImageUse, ModelSpec, Scope};

/// What is said of one public model. What is absent stays as it was, or is nothing if the model is new.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelPatch {
    /// The public name.
    pub name: String,
    /// The kind of result; a new model needs it.
    pub scope: Option<Scope>,
    /// How many images go in, and as what.
    pub images: ImagePatch,
    /// How many videos go in at most.
    pub videos_max: Option<usize>,
    /// Aspect ratios, as `16:9`.
    pub aspect_ratios: Option<Vec<String>>,
    /// Resolutions, lower case.
    pub resolutions: Option<Vec<String>>,
    /// Other names of it.
    pub aliases: Option<Vec<String>>,
    /// Whether clients should leave it; if this alone is said and it is not so, nothing replaces it either.
    pub deprecated: Option<bool>,
    /// The public model to go to instead; clients should leave what has one.
    pub replaced_by: Option<String>,
}

/// What is said of a model's images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImagePatch {
    /// Fewest.
    pub min: Option<usize>,
    /// Most.
    pub max: Option<usize>,
    /// What they are for.
    pub used_as: Option<ImageUse>,
    /// The largest image, in bytes.
    pub bytes_max: Option<u64>,
}

impl ModelPatch {
    /// One that says nothing of the model of that name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// The model after that, from what it was before; `None` if it is new and its scope is not said.
    pub fn apply(self, known: Option<&ModelSpec>) -> Option<ModelSpec> {
        let mut spec = match (known, self.scope) {
            (Some(known), _) => known.clone(),
            (None, Some(scope)) => ModelSpec::new(self.name, scope),
            (None, None) => return None,
        };
        set(&mut spec.scope, self.scope);
        set(&mut spec.images.min, self.images.min);
        set(&mut spec.images.max, self.images.max);
        set(&mut spec.images.used_as, self.images.used_as);
        spec.images.bytes_max = self.images.bytes_max.or(spec.images.bytes_max);
        set(&mut spec.videos_max, self.videos_max);
        set(&mut spec.aspect_ratios, self.aspect_ratios);
        set(&mut spec.resolutions, self.resolutions);
        set(&mut spec.aliases, self.aliases);
        match (self.deprecated, self.replaced_by) {
            (deprecated, Some(successor)) => {
                spec.replaced_by = Some(successor);
                spec.deprecated = deprecated.unwrap_or(true);
            }
            (Some(deprecated), None) => {
                spec.replaced_by = spec.replaced_by.filter(|_| deprecated);
                spec.deprecated = deprecated;
            }
            (None, None) => {}
        }
        Some(spec)
    }
}

impl From<ModelSpec> for ModelPatch {
    /// One that says everything.
    fn from(spec: ModelSpec) -> Self {
        let images = spec.images;
        Self {
            name: spec.name,
            scope: Some(spec.scope),
            images: ImagePatch {
                min: Some(images.min),
                max: Some(images.max),
                used_as: Some(images.used_as),
                bytes_max: images.bytes_max,
            },
            videos_max: Some(spec.videos_max),
            aspect_ratios: Some(spec.aspect_ratios),
            resolutions: Some(spec.resolutions),
            aliases: Some(spec.aliases),
            deprecated: Some(spec.deprecated),
            replaced_by: spec.replaced_by,
        }
    }
}

fn set<T>(field: &mut T, said: Option<T>) {
    if let Some(said) = said {
        *field = said;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ImageRule;

    fn known() -> ModelSpec {
        ModelSpec {
            images: ImageRule { min: 1, max: 3, used_as: ImageUse::References, bytes_max: Some(100) },
            videos_max: 1,
            aspect_ratios: vec!["16:9".into()],
            aliases: vec!["old-name".into()],
            ..ModelSpec::new("veo3.1-components", Scope::Videos)
        }
    }

    #[test]
    fn what_is_not_said_stays_as_it_was() {
        let nothing = ModelPatch::new("veo3.1-components");
        assert_eq!(nothing.clone().apply(Some(&known())), Some(known()));
        let fewer = ModelPatch { images: ImagePatch { max: Some(2), ..ImagePatch::default() }, ..nothing };
        let images = ImageRule { max: 2, ..known().images };
        assert_eq!(fewer.apply(Some(&known())), Some(ModelSpec { images, ..known() }));
    }

    #[test]
    fn a_new_model_needs_a_scope() {
        assert_eq!(ModelPatch::new("new").apply(None), None);
        let new = ModelPatch { scope: Some(Scope::Audio), ..ModelPatch::new("new") };
        assert_eq!(new.apply(None), Some(ModelSpec::new("new", Scope::Audio)));
    }

    #[test]
    fn what_has_a_successor_is_deprecated_and_what_is_not_has_none() {
        let replaced = ModelPatch { replaced_by: Some("b".into()), ..ModelPatch::new("a") };
        let replaced = replaced.apply(Some(&ModelSpec::new("a", Scope::Videos))).unwrap();
        assert!(replaced.deprecated);
        let revived = ModelPatch { deprecated: Some(false), ..ModelPatch::new("a") }.apply(Some(&replaced));
        assert_eq!(revived, Some(ModelSpec::new("a", Scope::Videos)));
    }
}
