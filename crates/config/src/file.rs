//! The file as written. What is required is optional here, and asked for by [`crate::resolve`], so that a missing key is
//! one problem among others. The doc lines are the reference documentation.

use std::path::PathBuf;

use domain::{ImageUse, OnUnknown, Scope};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::environment::SecretRef;
use crate::prices::{AmountText, PriceEntry};
use crate::sections::{
    Callbacks, DefaultModels, Egress, Ledger, Limits, Log, Retention, Sandbox, Server, Store, Tasks,
};
use crate::text::{DurationText, SizeText};

/// The configuration of filmgate. Every key may be left out.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "filmgate configuration")]
pub(crate) struct File {
    pub(crate) server: Server,
    /// The directory that keeps tasks, keys and results. Relative paths start at the working directory.
    pub(crate) data_dir: PathBuf,
    pub(crate) store: Store,
    pub(crate) tasks: Tasks,
    pub(crate) retention: Retention,
    pub(crate) limits: Limits,
    pub(crate) ledger: Ledger,
    pub(crate) egress: Egress,
    pub(crate) callbacks: Callbacks,
    /// Client keys, besides those made with "filmgate keys create".
    pub(crate) keys: Vec<KeyEntry>,
    pub(crate) default_models: DefaultModels,
    /// Public models, besides the built-in ones.
    pub(crate) models: Vec<ModelEntry>,
    /// Paid accesses to providers.
    pub(crate) accounts: Vec<AccountEntry>,
    /// Which accounts serve which model.
    pub(crate) routes: Vec<RouteEntry>,
    pub(crate) log: Log,
    pub(crate) sandbox: Sandbox,
}

impl Default for File {
    fn default() -> Self {
        Self {
            server: Server::default(),
            data_dir: PathBuf::from("./filmgate-data"),
            store: Store::default(),
            tasks: Tasks::default(),
            retention: Retention::default(),
            limits: Limits::default(),
            ledger: Ledger::default(),
            egress: Egress::default(),
            callbacks: Callbacks::default(),
            keys: Vec::new(),
            default_models: DefaultModels::default(),
            models: Vec::new(),
            accounts: Vec::new(),
            routes: Vec::new(),
            log: Log::default(),
            sandbox: Sandbox::default(),
        }
    }
}

/// A client key.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyEntry {
    /// What logs and tasks call its owner.
    #[schemars(required, extend("examples" = ["studio"]))]
    pub(crate) name: Option<String>,
    /// Where the key is: env:NAME or file:PATH. At least 16 characters.
    #[schemars(required, extend("examples" = ["env:STUDIO_KEY"]))]
    pub(crate) key: Option<SecretRef>,
    /// Requests a minute. Default: that of limits.
    #[schemars(range(min = 1), extend("examples" = [600]))]
    pub(crate) requests_per_minute: Option<u32>,
    /// Tasks at one time. Default: that of limits.
    #[schemars(range(min = 1), extend("examples" = [20]))]
    pub(crate) concurrent_tasks: Option<u32>,
    /// What its tasks may cost in all, set aside and spent. Default: that of limits.
    #[schemars(extend("examples" = ["100"]))]
    pub(crate) budget: Option<AmountText>,
    /// The API that its requests are taken for where several claim the same path. Default: what the request shows.
    #[schemars(extend("examples" = ["v2"]))]
    pub(crate) dialect: Option<String>,
}

/// A public model. An empty list means that its values are not restricted.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelEntry {
    /// The public name.
    #[schemars(required, extend("examples" = ["studio-image"]))]
    pub(crate) name: Option<String>,
    /// What it makes.
    #[schemars(required, with = "Option<ScopeText>", extend("examples" = ["images"]))]
    pub(crate) scope: Option<Scope>,
    /// How many images go in, and as what. Default: none.
    pub(crate) images: Option<ImageEntry>,
    /// How many videos go in at most. Default: 0.
    #[schemars(extend("examples" = [0]))]
    pub(crate) videos_max: Option<u32>,
    /// Width to height.
    #[serde(default)]
    #[schemars(extend("examples" = [["16:9", "1:1"]]))]
    pub(crate) aspect_ratios: Vec<String>,
    /// In lower case.
    #[serde(default)]
    #[schemars(extend("examples" = [["1080p", "4k"]]))]
    pub(crate) resolutions: Vec<String>,
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

/// The schema of [`OnUnknown`], which knows nothing of schemas.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", inline)]
#[expect(dead_code, reason = "only the schema of it is used")]
enum OnUnknownText {
    Hold,
    Release,
    Resubmit,
}

/// The schema of [`ImageUse`], which knows nothing of schemas.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", inline)]
#[expect(dead_code, reason = "only the schema of it is used")]
enum ImageUseText {
    Frames,
    References,
}

/// One paid access to a provider.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountEntry {
    /// What routes, logs and metrics call it.
    #[schemars(required, extend("examples" = ["main"]))]
    pub(crate) name: Option<String>,
    /// The kind of API that it speaks.
    #[schemars(required, extend("examples" = ["v2"]))]
    pub(crate) provider: Option<String>,
    /// Where that API is; calls append their path.
    #[schemars(required, extend("examples" = ["https://api.example.com"]))]
    pub(crate) base_url: Option<String>,
    /// Where the provider takes files, if inputs shall be brought there. Default: the provider fetches them from this
    /// gateway, which needs a server.public_url that it can reach.
    #[schemars(extend("examples" = ["https://files.example.com"]))]
    pub(crate) files_url: Option<String>,
    /// What the provider signs callbacks with, as env:NAME or file:PATH; at least 24 characters. Without it the unguessable
    /// address alone counts.
    #[schemars(extend("examples" = ["env:MAIN_CALLBACK_SECRET"]))]
    pub(crate) callback_secret: Option<SecretRef>,
    /// Where the public keys of the provider's callbacks are, if elsewhere than its documents say.
    #[schemars(extend("examples" = ["https://keys.example.com/jwks.json"]))]
    pub(crate) callback_keys_url: Option<String>,
    /// Whether it is an account at the maker of the models: some clients may ask for those only. Default: false.
    #[schemars(extend("examples" = [true]))]
    pub(crate) official: Option<bool>,
    /// Where the provider's key is: env:NAME or file:PATH.
    #[schemars(required, extend("examples" = ["env:MAIN_ACCOUNT_KEY"]))]
    pub(crate) credential: Option<SecretRef>,
    /// Submits a minute; more wait their turn. Default: 10000.
    #[schemars(range(min = 1), extend("examples" = [20]))]
    pub(crate) requests_per_minute: Option<u32>,
    /// Tasks at the provider at one time; more wait their turn. Default: 1000.
    #[schemars(range(min = 1), extend("examples" = [10]))]
    pub(crate) concurrent_tasks: Option<u32>,
    /// What its models cost, for routes that do not say.
    #[serde(default)]
    pub(crate) prices: Vec<AccountPriceEntry>,
    /// How often to ask about a task. Default: as the provider's API wants it.
    pub(crate) poll: Option<PollEntry>,
    /// What becomes of a task when it could not be established within tasks.unknown_hold whether the provider took it.
    /// hold: it fails, and its money stays set aside; release: it fails, and its money is free; resubmit: it is submitted
    /// again, which may cost twice. Default: hold.
    #[schemars(with = "Option<OnUnknownText>", extend("examples" = ["release"]))]
    pub(crate) on_unknown: Option<OnUnknown>,
}

/// What a model costs at an account.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountPriceEntry {
    /// The provider's own name of the model.
    #[schemars(required, extend("examples" = ["studio-image"]))]
    pub(crate) upstream_model: Option<String>,
    /// For each result; or rules, of which the first that fits a request counts.
    #[schemars(required, extend("examples" = [[
        {"resolution": "4k", "per_second": "0.60", "seconds": 8},
        {"per_call": "0.40"}
    ]]))]
    pub(crate) price: Option<PriceEntry>,
}

/// The pace of polls: often while a task is young, less often as it ages.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PollEntry {
    /// From acceptance to the first poll.
    #[schemars(required, extend("examples" = ["20s"]))]
    pub(crate) first: Option<DurationText>,
    /// The shortest time between two polls.
    #[schemars(required, extend("examples" = ["5s"]))]
    pub(crate) shortest: Option<DurationText>,
    /// The longest time between two polls.
    #[schemars(required, extend("examples" = ["30s"]))]
    pub(crate) longest: Option<DurationText>,
}

/// The accounts of one model.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RouteEntry {
    /// The public name of a built-in model or of one of models.
    #[schemars(required, extend("examples" = ["studio-image"]))]
    pub(crate) model: Option<String>,
    /// Names of accounts, in the order in which they are tried. Where the provider's own name of the model is to be
    /// another than usual, or has a price of its own here, a mapping of account, upstream_model and price.
    #[schemars(required, extend("examples" = [["main"]]))]
    pub(crate) accounts: Option<Vec<HopEntry>>,
}

/// One account of a route.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum HopEntry {
    /// The name of an account.
    Name(String),
    /// An account and a model.
    Full(HopFields),
}

/// An account of a route with what is special to it there.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HopFields {
    /// The name of an account.
    #[schemars(required)]
    pub(crate) account: Option<String>,
    /// The provider's own name of the model.
    pub(crate) upstream_model: Option<String>,
    /// For each result; or rules, of which the first that fits a request counts.
    pub(crate) price: Option<PriceEntry>,
}

/// By hand, because serde's untagged enums forget where they were and what exactly did not fit.
impl<'de> Deserialize<'de> for HopEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HopVisitor)
    }
}

struct HopVisitor;

impl<'de> serde::de::Visitor<'de> for HopVisitor {
    type Value = HopEntry;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the name of an account, or a mapping of account, upstream_model and price")
    }

    fn visit_str<E>(self, name: &str) -> Result<HopEntry, E> {
        Ok(HopEntry::Name(name.to_owned()))
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<HopEntry, A::Error> {
        HopFields::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(HopEntry::Full)
    }
}
