//! Public models as written.

use domain::{ImageUse, Scope};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::SizeText;

/// A public model. An empty list means that its values are not restricted. What the entry of a built-in model leaves out
/// stays as it is built in.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelEntry {
    /// The public name.
    #[schemars(required, extend("examples" = ["studio-image"]))]
    pub(crate) name: Option<String>,
    /// What it makes. Required, unless the model is built in.
    #[schemars(with = "Option<ScopeText>", extend("examples" = ["images"]))]
    pub(crate) scope: Option<Scope>,
    /// How many images go in, and as what. Default: none.
    pub(crate) images: Option<ImageEntry>,
    /// How many videos go in at most. Default: 0.
    #[schemars(extend("examples" = [0]))]
    pub(crate) videos_max: Option<u32>,
    /// Width to height.
    #[schemars(extend("examples" = [["16:9", "1:1"]]))]
    pub(crate) aspect_ratios: Option<Vec<String>>,
    /// In lower case.
    #[schemars(extend("examples" = [["1080p", "4k"]]))]
    pub(crate) resolutions: Option<Vec<String>>,
    /// Other names that clients may use for it.
    #[schemars(extend("examples" = [["studio-picture"]]))]
    pub(crate) aliases: Option<Vec<String>>,
    /// Whether clients should leave it: lists of models say so, it works as before. Default: false.
    #[schemars(extend("examples" = [false]))]
    pub(crate) deprecated: Option<bool>,
    /// The public model to go to instead. It also serves requests for this one, where this one has no route.
    #[schemars(extend("examples" = ["nano-banana"]))]
    pub(crate) replaced_by: Option<String>,
}

/// The images that a model takes.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ImageEntry {
    /// Fewest. Default: 0.
    #[schemars(extend("examples" = [0]))]
    pub(crate) min: Option<u32>,
    /// Most. Default: 0.
    #[schemars(extend("examples" = [4]))]
    pub(crate) max: Option<u32>,
    /// The largest image. Default: as large as a request may be.
    #[schemars(extend("examples" = ["10MiB"]))]
    pub(crate) bytes_max: Option<SizeText>,
    /// Frames (the first is the first frame, the second the last) or references (all of them). Default: frames.
    #[schemars(with = "Option<ImageUseText>", extend("examples" = ["references"]))]
    pub(crate) used_as: Option<ImageUse>,
}

/// The schema of [`Scope`], which knows nothing of schemas.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", inline)]
#[expect(dead_code, reason = "only the schema of it is used")]
enum ScopeText {
    Images,
    Videos,
    Audio,
}

/// The schema of [`ImageUse`], which knows nothing of schemas.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", inline)]
#[expect(dead_code, reason = "only the schema of it is used")]
enum ImageUseText {
    Frames,
    References,
}
