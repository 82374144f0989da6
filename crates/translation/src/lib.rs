//! Pure codecs between bytes and the domain. A dialect is an API that clients speak to us, a provider one that we
//! speak to upstreams; both meet in the domain's plain types, so there are N + M codecs and never N x M.
//!
//! Each API is one folder below `apis/`, whichever faces it has. To add one, see `docs/guide/adding-an-api.md`.
//! What the folders share: `outgoing` makes calls that hold media, `wishes` refuses what a call would leave out; `fields`
//! and `inputs` read clients' JSON, `multipart` their forms, `upload` their files, `callback` where they listen,
//! `lenient` upstreams' JSON, `refusal` an upstream's "no", `webhook` what proves its callbacks,
//! `lost` which of its tasks may be one whose answer was lost; `answer` makes replies to
//! clients, `progress` the percentage, `cost` the amounts and `rfc3339` the moments in them; `key` finds a client's key,
//! and `prefer` how long it would wait.

mod answer;
pub mod apis;
mod callback;
mod cost;
mod dialect;
mod fields;
pub mod fixture;
mod google;
mod inputs;
mod key;
mod lenient;
mod lost;
mod media;
mod multipart;
mod outgoing;
mod prefer;
mod progress;
mod provider;
mod refusal;
pub mod rfc3339;
mod text;
mod upload;
mod web;
mod webhook;
mod wishes;

pub use apis::{DIALECTS, PROVIDERS, dialect, provider};
pub use dialect::{
    Action, Cancelled, Dialect, Endpoint, Intent, Links, ListQuery, ModelListing, Page, PathParams, Upload,
    Wait,
};
pub use provider::{
    CallbackProof, CallbackSecrets, Found, LostSubmission, PollTarget, Progress, Provider, Results,
    ServedModel, SubmitContext, SubmitOutcome, Unsupported, UploadFile,
};
