//! The public models.

mod file;
mod near;

use std::collections::{BTreeMap, HashMap, HashSet};

use domain::{Access, Draft, Failure, FailureKind, ModelPatch, ModelSpec, Scope};

/// The public models by name, their other names, and the model that each scope uses when a request names none.
#[derive(Debug, Clone)]
pub struct Catalogue {
    models: BTreeMap<String, ModelSpec>,
    /// The name of the model by each of its other names.
    aliases: HashMap<String, String>,
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
    /// A new model without a scope.
    #[error("the model \"{model}\" is new, so what it makes must be said: its scope is missing")]
    NoScope {
        /// The model.
        model: String,
    },
    /// Another name that stands for something else already.
    #[error("\"{alias}\" cannot be another name of the model \"{model}\": it is one of \"{other}\"")]
    Alias {
        /// The name.
        alias: String,
        /// The model that is to have it.
        model: String,
        /// The model that has it.
        other: String,
    },
    /// A successor that does not exist.
    #[error("the model \"{model}\" cannot be replaced by \"{successor}\": there is no such model")]
    NoSuccessor {
        /// The model.
        model: String,
        /// The successor named.
        successor: String,
    },
    /// A successor that makes something else.
    #[error("the model \"{model}\" cannot be replaced by \"{successor}\": that makes {makes}")]
    OtherScope {
        /// The model.
        model: String,
        /// Its successor.
        successor: String,
        /// What that makes.
        makes: &'static str,
    },
    /// A model that comes to be replaced by itself.
    #[error("the model \"{model}\" is replaced by \"{successor}\", and in the end by itself")]
    Circle {
        /// The model.
        model: String,
        /// Its successor.
        successor: String,
    },
}

impl Catalogue {
    /// The models that filmgate knows by itself (`catalogue.toml`).
    pub fn builtin() -> Self {
        let (models, defaults) = file::builtin();
        let mut catalogue = Self { models, aliases: HashMap::new(), defaults };
        catalogue
            .index_aliases()
            .expect("the built-in catalogue does not contradict itself; a test reads it");
        catalogue
    }

    /// Adds what the operator says of models, known ones and new ones, and the operator's defaults. A name that the operator
    /// uses no longer stands for a built-in model that had it as another name.
    pub fn with<P: Into<ModelPatch>>(
        mut self,
        models: impl IntoIterator<Item = P>,
        defaults: impl IntoIterator<Item = (Scope, String)>,
    ) -> Result<Self, CatalogueError> {
        let patches: Vec<ModelPatch> = models.into_iter().map(Into::into).collect();
        self.give_up_aliases(&patches);
        for patch in patches {
            let name = patch.name.clone();
            let spec = patch.apply(self.models.get(&name));
            let spec = spec.ok_or_else(|| CatalogueError::NoScope { model: name.clone() })?;
            self.models.insert(name, spec);
        }
        self.defaults.extend(defaults);
        self.index_aliases()?;
        self.check_successors()?;
        self.check_defaults()?;
        Ok(self)
    }

    /// The model of that name, or with that other name.
    pub fn get(&self, name: &str) -> Option<&ModelSpec> {
        self.models.get(name).or_else(|| self.models.get(self.aliases.get(name)?))
    }

    /// All models, by name.
    pub fn iter(&self) -> impl Iterator<Item = &ModelSpec> {
        self.models.values()
    }

    /// The model that replaces `model`, the one that replaces that, and so on.
    pub fn successors<'a>(&'a self, model: &'a ModelSpec) -> impl Iterator<Item = &'a ModelSpec> {
        let next = |model: &&ModelSpec| self.get(model.replaced_by.as_deref()?);
        // The bound counts only for a catalogue that nobody has checked.
        std::iter::successors(next(&model), next).take(self.models.len())
    }

    /// The model that `draft` asks for, or its scope's default, if that model can serve it.
    pub fn resolve(&self, draft: &Draft) -> Result<&ModelSpec, Failure> {
        self.resolve_within(draft, &Access::default())
    }

    /// The same for a client that may use only what `access` allows: of other models it does not even learn that they exist.
    pub fn resolve_within(&self, draft: &Draft, access: &Access) -> Result<&ModelSpec, Failure> {
        let default = || draft.scope.and_then(|scope| self.defaults.get(&scope));
        let name = draft.model.as_ref().or_else(default);
        let name = name.ok_or_else(|| Failure::invalid("model", "model: required"))?;
        let Some(spec) = self.get(name).filter(|spec| is_allowed(spec, access)) else {
            let may_be_meant = |spec: &&ModelSpec| {
                is_allowed(spec, access) && draft.scope.is_none_or(|scope| scope == spec.scope)
            };
            return Err(not_found(name, &near::names(name, self.iter().filter(may_be_meant))));
        };
        spec.check(draft)?;
        Ok(spec)
    }

    /// Takes from known models the other names that `patches` use for something.
    fn give_up_aliases(&mut self, patches: &[ModelPatch]) {
        let used: HashSet<&str> = patches
            .iter()
            .flat_map(|patch| std::iter::once(&patch.name).chain(patch.aliases.iter().flatten()))
            .map(String::as_str)
            .collect();
        for spec in self.models.values_mut() {
            spec.aliases.retain(|alias| !used.contains(alias.as_str()));
        }
    }

    fn index_aliases(&mut self) -> Result<(), CatalogueError> {
        self.aliases.clear();
        for (model, alias) in
            self.models.values().flat_map(|spec| spec.aliases.iter().map(move |alias| (&spec.name, alias)))
        {
            let of_other = self.aliases.insert(alias.clone(), model.clone());
            let other = of_other.or_else(|| self.models.contains_key(alias).then(|| alias.clone()));
            if let Some(other) = other {
                return Err(CatalogueError::Alias { alias: alias.clone(), model: model.clone(), other });
            }
        }
        Ok(())
    }

    fn check_successors(&self) -> Result<(), CatalogueError> {
        for spec in self.models.values() {
            let Some(name) = &spec.replaced_by else { continue };
            let (model, successor) = (spec.name.clone(), name.clone());
            match self.get(name) {
                None => return Err(CatalogueError::NoSuccessor { model, successor }),
                Some(other) if other.scope != spec.scope => {
                    let makes = other.scope.as_str();
                    return Err(CatalogueError::OtherScope { model, successor, makes });
                }
                Some(_) if self.successors(spec).any(|other| other.name == spec.name) => {
                    return Err(CatalogueError::Circle { model, successor });
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn check_defaults(&self) -> Result<(), CatalogueError> {
        for (scope, model) in &self.defaults {
            if self.get(model).is_none_or(|spec| spec.scope != *scope) {
                return Err(CatalogueError::Default { scope: scope.as_str(), model: model.clone() });
            }
        }
        Ok(())
    }
}

/// Whoever may use a model may use it by any of its names.
fn is_allowed(spec: &ModelSpec, access: &Access) -> bool {
    access.allows(&spec.name) || spec.aliases.iter().any(|alias| access.allows(alias))
}

fn not_found(name: &str, near: &[&str]) -> Failure {
    let shown: String = name.chars().take(64).collect();
    let hint = if near.is_empty() { String::new() } else { format!(", did you mean {}?", near.join(", ")) };
    let text = format!("model: \"{shown}\" does not exist{hint}");
    let mut failure = Failure::new(FailureKind::ModelNotFound, text);
    failure.field = Some("model".to_owned());
    failure
}

#[cfg(test)]
mod tests {
    use domain::ImageUse;

    use super::*;

    const NO_MODELS: [ModelPatch; 0] = [];

    fn draft(scope: Scope, model: Option<&str>) -> Draft {
        let prompt = "a cat".into();
        Draft { scope: Some(scope), model: model.map(str::to_owned), prompt, ..Draft::default() }
    }

    fn video(name: &str) -> ModelPatch {
        ModelPatch { scope: Some(Scope::Videos), ..ModelPatch::new(name) }
    }

    fn with(models: impl IntoIterator<Item = ModelPatch>) -> Result<Catalogue, CatalogueError> {
        Catalogue::builtin().with(models, [])
    }

    #[test]
    fn every_scope_has_a_default_that_exists() {
        let catalogue = with(NO_MODELS).unwrap();
        for scope in Scope::ALL {
            assert_eq!(catalogue.resolve(&draft(scope, None)).unwrap().scope, scope);
        }
    }

    #[test]
    fn a_model_that_is_not_allowed_is_one_that_does_not_exist() {
        let catalogue = Catalogue::builtin();
        let access = Access { models: Some(vec!["veo2".into()]), ..Access::default() };
        let resolved = |name| catalogue.resolve_within(&draft(Scope::Videos, Some(name)), &access);
        assert!(resolved("veo2").is_ok());
        let (hidden, absent) = (resolved("veo3").unwrap_err(), resolved("veo9").unwrap_err());
        assert_eq!(hidden.public.replace("veo3", "veo9"), absent.public);
        assert!(hidden.public.ends_with("did you mean veo2?"), "no other name is told: {}", hidden.public);
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
    fn a_model_answers_to_its_other_names_and_is_suggested_by_them() {
        let aliases = Some(vec!["grand-plan-nine".to_owned()]);
        let catalogue = with([ModelPatch { aliases, ..video("p9") }]).unwrap();
        let resolved = catalogue.resolve(&draft(Scope::Videos, Some("grand-plan-nine"))).unwrap();
        assert_eq!(resolved.name, "p9");
        let failure = catalogue.resolve(&draft(Scope::Videos, Some("grand-plan-nin"))).unwrap_err();
        assert!(failure.public.ends_with("did you mean p9?"), "{}", failure.public);
    }

    #[test]
    fn an_operator_changes_a_known_model_and_keeps_the_rest_of_it() {
        let resolutions = Some(vec!["720p".to_owned()]);
        let before = Catalogue::builtin().get("veo3.1").unwrap().clone();
        let catalogue = with([ModelPatch { resolutions, ..ModelPatch::new("veo3.1") }]).unwrap();
        let after = catalogue.get("veo3.1").unwrap();
        assert_eq!(*after, ModelSpec { resolutions: vec!["720p".into()], ..before });
        let missing = with([ModelPatch::new("new")]).unwrap_err();
        assert_eq!(missing, CatalogueError::NoScope { model: "new".into() });
    }

    #[test]
    fn a_name_of_the_operators_wins_over_another_name_of_a_built_in_model() {
        let of_built_in = ModelPatch { aliases: Some(vec!["nine".into()]), ..ModelPatch::new("veo3.1") };
        let catalogue = with([of_built_in]).unwrap().with([video("nine")], []).unwrap();
        assert_eq!(catalogue.get("nine").unwrap().name, "nine");
        let other = ModelPatch { aliases: Some(vec!["nine".into()]), ..video("ten") };
        let clash = catalogue.with([other], []).unwrap_err();
        assert_eq!(
            clash,
            CatalogueError::Alias { alias: "nine".into(), model: "ten".into(), other: "nine".into() }
        );
    }

    #[test]
    fn two_models_cannot_share_another_name() {
        let alias = || Some(vec!["both".to_owned()]);
        let clash = with([
            ModelPatch { aliases: alias(), ..video("a") },
            ModelPatch { aliases: alias(), ..video("b") },
        ]);
        let expected = CatalogueError::Alias { alias: "both".into(), model: "b".into(), other: "a".into() };
        assert_eq!(clash.unwrap_err(), expected);
    }

    #[test]
    fn a_successor_exists_makes_the_same_and_leads_to_an_end() {
        let replaced = |name: &str, by: &str| ModelPatch { replaced_by: Some(by.into()), ..video(name) };
        let (model, successor) = ("a".to_owned(), "b".to_owned());
        let nobody = with([replaced("a", "b")]).unwrap_err();
        assert_eq!(
            nobody,
            CatalogueError::NoSuccessor { model: model.clone(), successor: successor.clone() }
        );
        let audio = ModelPatch { scope: Some(Scope::Audio), ..ModelPatch::new("b") };
        let other = with([replaced("a", "b"), audio]).unwrap_err();
        let expected =
            CatalogueError::OtherScope { model: model.clone(), successor: successor.clone(), makes: "audio" };
        assert_eq!(other, expected);
        let circle = with([replaced("a", "b"), replaced("b", "c"), replaced("c", "a")]).unwrap_err();
        assert_eq!(circle, CatalogueError::Circle { model, successor });
        let chain = with([replaced("a", "b"), replaced("b", "c"), video("c")]).unwrap();
        let names: Vec<&str> =
            chain.successors(chain.get("a").unwrap()).map(|model| model.name.as_str()).collect();
        assert_eq!(names, ["b", "c"]);
    }

    #[test]
    fn a_default_of_another_scope_is_refused() {
        let wrong = Catalogue::builtin().with(NO_MODELS, [(Scope::Audio, "veo3".to_owned())]);
        assert_eq!(wrong.unwrap_err(), CatalogueError::Default { scope: "audio", model: "veo3".to_owned() });
    }
}
