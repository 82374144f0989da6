//! Public models of the file: new ones, and built-in ones of which it changes something.

use domain::{ImageRule, ModelSpec, Scope};

use crate::Known;
use crate::file::{ImageEntry, ModelEntry};
use crate::findings::Findings;
use crate::resolve::names::Names;
use crate::sections::DefaultModels;

/// The models of the file, whole: what the entry of a built-in model leaves out is as it is built in.
pub(super) fn resolve(
    entries: &[ModelEntry],
    known: &Known<'_>,
    findings: &mut Findings<'_>,
) -> Vec<ModelSpec> {
    let mut models: Vec<ModelSpec> = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let path = format!("models[{index}]");
        let name = findings.required(&format!("{path}.name"), entry.name.as_deref());
        let built_in = known.models.iter().find(|model| Some(model.name.as_str()) == name).copied();
        let model = model(entry, built_in, &path, findings);
        let Some(name) = name else { continue };
        let path = format!("{path}.name");
        if name.trim().is_empty() {
            findings.add(&path, "must not be empty");
        } else if models.iter().any(|model| model.name == name) {
            findings.add(&path, format!("\"{name}\" is the name of an earlier model"));
        }
        models.push(model);
    }
    models
}

fn model(
    entry: &ModelEntry,
    built_in: Option<&ModelSpec>,
    path: &str,
    findings: &mut Findings<'_>,
) -> ModelSpec {
    let scope_path = format!("{path}.scope");
    let scope = match built_in {
        None => findings.required(&scope_path, entry.scope),
        Some(model) => {
            if entry.scope.is_some_and(|scope| scope != model.scope) {
                let scope = model.scope.as_str();
                findings.add(&scope_path, format!("is built in as {scope}, which cannot be changed"));
            }
            Some(model.scope)
        }
    };
    let new = || ModelSpec::new(entry.name.clone().unwrap_or_default(), scope.unwrap_or(Scope::Videos));
    let base = built_in.cloned().unwrap_or_else(new);
    let lower = |texts: &Vec<String>| texts.iter().map(|text| text.to_lowercase()).collect();
    ModelSpec {
        images: images(entry.images.as_ref(), base.images, path, findings),
        videos_max: bound(entry.videos_max, base.videos_max),
        aspect_ratios: entry.aspect_ratios.clone().unwrap_or(base.aspect_ratios),
        resolutions: entry.resolutions.as_ref().map_or(base.resolutions, lower),
        aliases: entry.aliases.clone().unwrap_or(base.aliases),
        deprecated: entry.deprecated.unwrap_or(base.deprecated),
        replaced_by: entry.replaced_by.clone().or(base.replaced_by),
        name: base.name,
        scope: base.scope,
    }
}

fn images(entry: Option<&ImageEntry>, base: ImageRule, path: &str, findings: &mut Findings<'_>) -> ImageRule {
    let Some(entry) = entry else { return base };
    let rule = ImageRule {
        min: bound(entry.min, base.min),
        max: bound(entry.max, base.max),
        used_as: entry.used_as.unwrap_or(base.used_as),
        bytes_max: entry.bytes_max.map(|size| size.0).or(base.bytes_max),
    };
    if rule.min > rule.max {
        findings.add(&format!("{path}.images.min"), "must not be more than max");
    }
    rule
}

fn bound(value: Option<u32>, base: usize) -> usize {
    value.map_or(base, |value| usize::try_from(value).unwrap_or(usize::MAX))
}

/// Notes default models that do not exist, or make something else.
pub(super) fn check_defaults(defaults: &DefaultModels, names: &Names<'_>, findings: &mut Findings<'_>) {
    let each = [
        (Scope::Videos, &defaults.videos),
        (Scope::Images, &defaults.images),
        (Scope::Audio, &defaults.audio),
    ];
    for (scope, name) in each {
        let Some(name) = name else { continue };
        let path = format!("default_models.{}", scope.as_str());
        if let Some(model) = names.model(name, &path, findings).filter(|model| model.scope != scope) {
            findings.add(&path, format!("\"{name}\" makes {}", model.scope.as_str()));
        }
    }
}
