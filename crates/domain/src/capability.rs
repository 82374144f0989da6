//! What a public model can do, and the check of a draft against it.

mod patch;

use serde::{Deserialize, Serialize};

use crate::{Derivation, Draft, DraftInput, DraftMedia, Failure, Role, Scope, media_type_of_bytes};

pub use patch::{ImagePatch, ModelPatch};

/// A public model: its name, its bounds. An empty list means that the values are not restricted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// The public name.
    pub name: String,
    /// The kind of result.
    pub scope: Scope,
    /// How many images go in, and as what.
    #[serde(default)]
    pub images: ImageRule,
    /// How many videos go in at most.
    #[serde(default)]
    pub videos_max: usize,
    /// Aspect ratios, as `16:9`.
    #[serde(default)]
    pub aspect_ratios: Vec<String>,
    /// Resolutions, lower case.
    #[serde(default)]
    pub resolutions: Vec<String>,
    /// Other names of it.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Whether clients should leave it.
    #[serde(default)]
    pub deprecated: bool,
    /// The public model to go to instead, which also serves requests for this one where this one has no route.
    #[serde(default)]
    pub replaced_by: Option<String>,
}

impl ModelSpec {
    /// A model that takes no media and restricts nothing.
    pub fn new(name: impl Into<String>, scope: Scope) -> Self {
        Self {
            name: name.into(),
            scope,
            images: ImageRule::default(),
            videos_max: 0,
            aspect_ratios: Vec::new(),
            resolutions: Vec::new(),
            aliases: Vec::new(),
            deprecated: false,
            replaced_by: None,
        }
    }
}

/// How many images a model takes, and as what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageRule {
    /// Fewest.
    #[serde(default)]
    pub min: usize,
    /// Most.
    #[serde(default)]
    pub max: usize,
    /// What they are for.
    #[serde(default)]
    pub used_as: ImageUse,
    /// The largest image, in bytes; absent if only the limits of bodies count.
    #[serde(default)]
    pub bytes_max: Option<u64>,
}

/// The formats of images that models read, told by their content. Source: the documents of all providers of Veo.
const IMAGE_TYPES: &[&str] = &["image/jpeg", "image/png", "image/webp"];

/// What a model's images are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageUse {
    /// The first is the first frame, the second the last.
    #[default]
    Frames,
    /// All are references.
    References,
}

impl ModelSpec {
    /// Whether this model can serve `draft`; a `Failure` names the field, the value and what is allowed.
    pub fn check(&self, draft: &Draft) -> Result<(), Failure> {
        if let Some(scope) = draft.scope.filter(|scope| *scope != self.scope) {
            let text = format!("model: {} makes {}, not {}", self.name, self.scope.as_str(), scope.as_str());
            return Err(Failure::invalid("model", text));
        }
        let upscaled = draft.basis.as_ref().is_some_and(|basis| basis.derivation == Derivation::Upscale);
        if upscaled {
            return Ok(());
        }
        if draft.prompt.trim().is_empty() {
            return Err(Failure::invalid("prompt", "prompt: required, and must not be empty"));
        }
        self.check_counts(draft)?;
        for input in &draft.inputs {
            self.check_media(input)?;
        }
        one_of("aspect_ratio", draft.output.aspect_ratio.as_deref(), &self.aspect_ratios, &self.name)?;
        one_of("resolution", draft.output.resolution.as_deref(), &self.resolutions, &self.name)
    }

    fn check_counts(&self, draft: &Draft) -> Result<(), Failure> {
        let videos = draft.inputs.iter().filter(|input| input.role == Some(Role::Video)).count();
        let others = draft.inputs.iter().filter(|i| matches!(i.role, Some(Role::Audio | Role::Mask))).count();
        let images = draft.inputs.len() - videos - others;
        let ImageRule { min, max, .. } = self.images;
        if images < min || images > max {
            let allowed = if min == max { min.to_string() } else { format!("{min} to {max}") };
            let text = format!("images: {images} given, {} takes {allowed}", self.name);
            return Err(Failure::invalid("images", text));
        }
        if videos > self.videos_max {
            let text = format!("videos: {videos} given, {} takes at most {}", self.name, self.videos_max);
            return Err(Failure::invalid("videos", text));
        }
        Ok(())
    }

    /// An image that is in the request itself shows by its bytes whether it can be read.
    fn check_media(&self, input: &DraftInput) -> Result<(), Failure> {
        match (&input.media, input.role) {
            (DraftMedia::Url(_), _) | (_, Some(Role::Video | Role::Audio)) => Ok(()),
            (DraftMedia::Inline(bytes), _) => self.images.check(&input.field, bytes, bytes.len() as u64),
        }
    }

    /// The role of each input of a checked draft, in order: the client's own word, else by position.
    pub fn roles(&self, inputs: &[DraftInput]) -> Vec<Role> {
        let mut frames = 0;
        inputs
            .iter()
            .map(|input| {
                input.role.unwrap_or_else(|| {
                    frames += 1;
                    match (self.images.used_as, frames) {
                        (ImageUse::References, _) => Role::Reference,
                        (ImageUse::Frames, 1) => Role::FirstFrame,
                        (ImageUse::Frames, _) => Role::LastFrame,
                    }
                })
            })
            .collect()
    }
}

impl ImageRule {
    /// Whether an image of `size` bytes that begins with `head` can be an input; `field` is for the message.
    pub fn check(&self, field: &str, head: &[u8], size: u64) -> Result<(), Failure> {
        match media_type_of_bytes(head) {
            Some(shown) => self.check_type(field, shown, size),
            None => {
                let text = format!("{field}: neither a URL nor an image that can be read");
                Err(Failure::invalid(field, text))
            }
        }
    }

    /// The same for an image whose type is known.
    pub fn check_type(&self, field: &str, media_type: &str, size: u64) -> Result<(), Failure> {
        if !IMAGE_TYPES.contains(&media_type) {
            let text = format!("{field}: {media_type} is not possible, an image is JPEG, PNG or WebP");
            return Err(Failure::invalid(field, text));
        }
        match self.bytes_max.filter(|max| size > *max) {
            Some(max) => {
                let text = format!("{field}: {size} bytes, an image may have at most {max}");
                Err(Failure::invalid(field, text))
            }
            None => Ok(()),
        }
    }
}

fn one_of(field: &str, value: Option<&str>, allowed: &[String], model: &str) -> Result<(), Failure> {
    match value {
        Some(value) if !allowed.is_empty() && !allowed.iter().any(|a| a == value) => {
            let text = format!("{field}: \"{value}\" is not possible, {model} takes {}", allowed.join(", "));
            Err(Failure::invalid(field, text))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DraftMedia;

    fn frames() -> ModelSpec {
        ModelSpec {
            images: ImageRule { min: 0, max: 2, used_as: ImageUse::Frames, bytes_max: Some(100) },
            aspect_ratios: vec!["16:9".into(), "9:16".into()],
            ..ModelSpec::new("veo3.1", Scope::Videos)
        }
    }

    fn draft(images: usize) -> Draft {
        let input = |i| DraftInput {
            role: None,
            field: format!("images[{i}]"),
            media: DraftMedia::Url(format!("https://example.com/{i}.png")),
        };
        Draft {
            scope: Some(Scope::Videos),
            prompt: "a cat".into(),
            inputs: (0..images).map(input).collect(),
            ..Draft::default()
        }
    }

    #[test]
    fn a_refusal_names_field_value_and_what_is_allowed() {
        let mut wrong = draft(0);
        wrong.output.aspect_ratio = Some("4:3".into());
        let failure = frames().check(&wrong).unwrap_err();
        assert_eq!(failure.field.as_deref(), Some("aspect_ratio"));
        assert_eq!(failure.public, "aspect_ratio: \"4:3\" is not possible, veo3.1 takes 16:9, 9:16");

        let failure = frames().check(&draft(3)).unwrap_err();
        assert_eq!(failure.public, "images: 3 given, veo3.1 takes 0 to 2");
    }

    #[test]
    fn the_model_decides_what_images_are_for() {
        let model = frames();
        assert!(model.check(&draft(2)).is_ok());
        assert_eq!(model.roles(&draft(2).inputs), [Role::FirstFrame, Role::LastFrame]);
        let mut model = frames();
        model.images.used_as = ImageUse::References;
        assert_eq!(model.roles(&draft(2).inputs), [Role::Reference, Role::Reference]);
    }

    #[test]
    fn an_image_in_the_request_is_judged_by_its_bytes() {
        let with = |bytes: Vec<u8>| {
            let mut draft = draft(1);
            draft.inputs[0].media = DraftMedia::Inline(bytes.into());
            frames().check(&draft).map_err(|failure| failure.public)
        };
        let png = |size: usize| [b"\x89PNG\r\n\x1a\n".to_vec(), vec![0; size - 8]].concat();
        assert!(with(png(100)).is_ok());
        assert_eq!(with(png(101)).unwrap_err(), "images[0]: 101 bytes, an image may have at most 100");
        let gif = with(b"GIF89a".to_vec()).unwrap_err();
        assert_eq!(gif, "images[0]: image/gif is not possible, an image is JPEG, PNG or WebP");
        assert!(with(b"no image".to_vec()).is_err());
    }

    #[test]
    fn a_scope_that_the_client_does_not_say_is_the_models() {
        let mut silent = draft(0);
        silent.scope = None;
        assert!(frames().check(&silent).is_ok());
    }

    #[test]
    fn an_empty_prompt_and_a_foreign_scope_are_refused() {
        let mut empty = draft(0);
        empty.prompt = "  ".into();
        assert_eq!(frames().check(&empty).unwrap_err().field.as_deref(), Some("prompt"));
        let mut foreign = draft(0);
        foreign.scope = Some(Scope::Images);
        assert_eq!(frames().check(&foreign).unwrap_err().public, "model: veo3.1 makes videos, not images");
    }
}
