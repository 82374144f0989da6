//! Public models of the file: new ones, and built-in ones of which it changes something.

use domain::{ImagePatch, ModelPatch, ModelSpec, Scope};

use crate::Known;
use crate::file::{ImageEntry, ModelEntry};
use crate::findings::Findings;
use crate::resolve::names::Names;
use crate::sections::DefaultModels;

/// What the file says of models that have a name.
pub(super) fn resolve(
    entries: &[ModelEntry],
    known: &Known<'_>,
    findings: &mut Findings<'_>,
) -> Vec<ModelPatch> {
    let mut patches: Vec<ModelPatch> = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let path = format!("models[{index}]");
        let name = findings.required(&format!("{path}.name"), entry.name.as_deref());
        let built_in = known.models.iter().find(|model| Some(model.name.as_str()) == name).copied();
        check_scope(entry, built_in, &format!("{path}.scope"), findings);
        let patch = patch(entry);
        let (min, max) = (patch.images.min, patch.images.max);
        let images = built_in.map(|model| model.images).unwrap_or_default();
        if min.unwrap_or(images.min) > max.unwrap_or(images.max) {
            findings.add(&format!("{path}.images.min"), "must not be more than max");
        }
        let Some(name) = name else { continue };
        let path = format!("{path}.name");
        if name.trim().is_empty() {
            findings.add(&path, "must not be empty");
        } else if patches.iter().any(|earlier| earlier.name == name) {
            findings.add(&path, format!("\"{name}\" is the name of an earlier model"));
        }
        patches.push(patch);
    }
    patches
}

/// What a model makes must be said once: by the program, or by the file.
fn check_scope(entry: &ModelEntry, built_in: Option<&ModelSpec>, path: &str, findings: &mut Findings<'_>) {
    match built_in {
        None => {
            findings.required(path, entry.scope);
        }
        Some(model) if entry.scope.is_some_and(|scope| scope != model.scope) => {
            let scope = model.scope.as_str();
            findings.add(path, format!("is built in as {scope}, which cannot be changed"));
        }
        Some(_) => {}
    }
}

fn patch(entry: &ModelEntry) -> ModelPatch {
    let lower = |texts: &Vec<String>| texts.iter().map(|text| text.to_lowercase()).collect();
    ModelPatch {
        name: entry.name.clone().unwrap_or_default(),
        scope: entry.scope,
        images: entry.images.as_ref().map(images).unwrap_or_default(),
        videos_max: entry.videos_max.map(bound),
        aspect_ratios: entry.aspect_ratios.clone(),
        resolutions: entry.resolutions.as_ref().map(lower),
        aliases: entry.aliases.clone(),
        deprecated: entry.deprecated,
        replaced_by: entry.replaced_by.clone(),
    }
}

fn images(entry: &ImageEntry) -> ImagePatch {
    ImagePatch {
        min: entry.min.map(bound),
        max: entry.max.map(bound),
        used_as: entry.used_as,
        bytes_max: entry.bytes_max.map(|size| size.0),
    }
}

fn bound(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
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

/// Notes other names that stand for something else already, and successors that do not exist, make something else or
/// lead back.
pub(super) fn check_names(entries: &[ModelEntry], names: &Names<'_>, findings: &mut Findings<'_>) {
    for (index, entry) in entries.iter().enumerate() {
        let Some(name) = entry.name.as_deref() else { continue };
        let earlier = entries[..index].iter().flat_map(|entry| entry.aliases.iter().flatten());
        let earlier: Vec<&String> = earlier.collect();
        let aliases = entry.aliases.as_deref().unwrap_or_default();
        for (number, alias) in aliases.iter().enumerate() {
            let path = format!("models[{index}].aliases[{number}]");
            if alias.trim().is_empty() {
                findings.add(&path, "must not be empty");
            } else if names.models().any(|model| model.name == *alias) {
                findings.add(&path, format!("\"{alias}\" is the name of a model"));
            } else if aliases[..number].contains(alias) || earlier.contains(&alias) {
                findings.add(&path, format!("\"{alias}\" is there already"));
            }
        }
        if let Some(successor) = &entry.replaced_by {
            check_successor(name, successor, &format!("models[{index}].replaced_by"), names, findings);
        }
    }
}

fn check_successor(name: &str, successor: &str, path: &str, names: &Names<'_>, findings: &mut Findings<'_>) {
    let Some(model) = names.model(successor, path, findings) else { return };
    if let Some(old) = names.models().find(|old| old.name == name && old.scope != model.scope) {
        let (makes, wanted) = (model.scope.as_str(), old.scope.as_str());
        findings.add(path, format!("\"{successor}\" makes {makes}, and not {wanted}"));
    }
    if names.successors(model).any(|model| model.name == name) {
        findings.add(path, format!("leads back to \"{name}\""));
    }
}
