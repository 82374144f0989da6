//! A request that is only asked about, as the operator writes it.

use std::sync::Arc;

use domain::{Access, Draft, DraftInput, DraftMedia, Failure, OutputSpec, Preference, Scope};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Setup;
use crate::operator::ResultScope;

/// A request that is only asked about. Its default is one for a video of a cat.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Question {
    /// The kind of result.
    #[schemars(with = "ResultScope")]
    pub scope: Scope,
    /// The public model; the scope's default if absent.
    pub model: Option<String>,
    /// What to make.
    pub prompt: String,
    /// The URLs of images that go in.
    pub images: Vec<String>,
    /// `width:height`.
    pub aspect_ratio: Option<String>,
    /// For instance `1080p`.
    pub resolution: Option<String>,
    /// Seconds.
    pub duration: Option<u32>,
    /// The name of a key of the config, whose rules count; without it there are none.
    pub key: Option<String>,
    /// What the client's header says of accounts and prices; see [`Preference::parse`].
    pub route: Option<String>,
    /// Decides what is left to chance: the id of a task, for the order that this task gets.
    pub seed: Option<String>,
}

impl Default for Question {
    fn default() -> Self {
        Self {
            scope: Scope::Videos,
            model: None,
            prompt: "a cat".to_owned(),
            images: Vec::new(),
            aspect_ratio: None,
            resolution: None,
            duration: None,
            key: None,
            route: None,
            seed: None,
        }
    }
}

impl Question {
    /// What a client would have asked for.
    pub(super) fn draft(&self) -> Result<Draft, Failure> {
        let image = |(index, url): (usize, &String)| DraftInput {
            role: None,
            field: format!("images[{index}]"),
            media: DraftMedia::Url(url.clone()),
        };
        Ok(Draft {
            scope: Some(self.scope),
            model: self.model.clone(),
            prompt: self.prompt.clone(),
            inputs: self.images.iter().enumerate().map(image).collect(),
            output: OutputSpec {
                aspect_ratio: self.aspect_ratio.clone(),
                resolution: self.resolution.clone(),
                duration_s: self.duration,
                ..OutputSpec::default()
            },
            preference: self.preference()?,
            ..Draft::default()
        })
    }

    /// What its key allows; without one everything.
    pub(super) fn access(&self, setup: &Setup) -> Result<Arc<Access>, Failure> {
        let Some(name) = &self.key else { return Ok(Arc::default()) };
        let unknown =
            || Failure::invalid("key", format!("key: the config has none with the name \"{name}\""));
        setup.keys.named(name).map(|client| Arc::clone(&client.access)).ok_or_else(unknown)
    }

    fn preference(&self) -> Result<Preference, Failure> {
        let parse = |text: &String| Preference::parse(text);
        let parsed = self.route.as_ref().map(parse).transpose();
        parsed
            .map(Option::unwrap_or_default)
            .map_err(|wrong| Failure::invalid("route", format!("route: {wrong}")))
    }
}
