//! Public models of the file, and the names of all models.

use domain::{ImageRule, ModelSpec, Scope};

use crate::Known;
use crate::file::{ImageEntry, ModelEntry};
use crate::findings::Findings;
use crate::near;
use crate::sections::DefaultModels;

/// The models of the file that are complete.
pub(super) fn resolve(
    entries: &[ModelEntry],
    known: &Known<'_>,
    findings: &mut Findings<'_>,
) -> Vec<ModelSpec> {
    let mut models: Vec<ModelSpec> = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let path = format!("models[{index}]");
        let images = images(entry.images.as_ref(), &path, findings);
        let name = findings.required(&format!("{path}.name"), entry.name.clone());
        let scope = findings.required(&format!("{path}.scope"), entry.scope);
        let Some(name) = name else { continue };
        let path = format!("{path}.name");
        if name.trim().is_empty() {
            findings.add(&path, "must not be empty");
        } else if known.models.contains(&name.as_str()) {
            findings.add(&path, format!("\"{name}\" is a built-in model"));
        } else if models.iter().any(|model| model.name == name) {
            findings.add(&path, format!("\"{name}\" is the name of an earlier model"));
        }
        models.push(ModelSpec {
            images,
            videos_max: bound(entry.videos_max),
            aspect_ratios: entry.aspect_ratios.clone(),
            resolutions: entry.resolutions.iter().map(|text| text.to_lowercase()).collect(),
            ..ModelSpec::new(name, scope.unwrap_or(Scope::Videos))
        });
    }
    models
}

fn images(entry: Option<&ImageEntry>, path: &str, findings: &mut Findings<'_>) -> ImageRule {
    let Some(entry) = entry else { return ImageRule::default() };
    let rule = ImageRule {
        min: bound(entry.min),
        max: bound(entry.max),
        used_as: entry.used_as.unwrap_or_default(),
        bytes_max: entry.bytes_max.map(|size| size.0),
    };
    if rule.min > rule.max {
        findings.add(&format!("{path}.images.min"), "must not be more than max");
    }
    rule
}

fn bound(value: Option<u32>) -> usize {
    value.map_or(0, |value| usize::try_from(value).unwrap_or(usize::MAX))
}

/// Notes default models that do not exist, or make something else.
pub(super) fn check_defaults(
    defaults: &DefaultModels,
    models: &[ModelSpec],
    known: &Known<'_>,
    findings: &mut Findings<'_>,
) {
    let each = [
        (Scope::Videos, &defaults.videos),
        (Scope::Images, &defaults.images),
        (Scope::Audio, &defaults.audio),
    ];
    for (scope, name) in each {
        let Some(name) = name else { continue };
        let path = format!("default_models.{}", scope.as_str());
        let names = models.iter().map(|model| model.name.as_str());
        check_name(name, &path, names.chain(known.models.iter().copied()), findings);
        if let Some(model) = models.iter().find(|model| model.name == *name && model.scope != scope) {
            findings.add(&path, format!("\"{name}\" makes {}", model.scope.as_str()));
        }
    }
}

/// Notes a model that is not among `names`.
pub(super) fn check_name<'a>(
    name: &str,
    path: &str,
    names: impl Iterator<Item = &'a str> + Clone,
    findings: &mut Findings<'_>,
) {
    if !names.clone().any(|other| other == name) {
        findings.add(path, format!("there is no model \"{name}\"{}", near::suggestion(name, names)));
    }
}
