//! The nouns of filmgate. No I/O, no clock, no randomness: time and ids come in as arguments.
//!
//! The centre is [`Task`] and the one place where it changes, [`TaskState::apply`].

mod account;
mod admin_scope;
mod capability;
mod failure;
mod id;
mod limit;
mod media;
mod message;
mod money;
mod network;
mod preference;
mod price;
mod price_list;
mod request;
mod state;
mod task;
mod time;
mod trace;

pub use account::{Account, Credential, OnUnknown, Pace};
pub use admin_scope::{AdminScope, AdminScopes, NotAScope};
pub use capability::{ImagePatch, ImageRule, ImageUse, ModelPatch, ModelSpec};
pub use failure::{Failure, FailureKind, Retry, with_sources};
pub use id::{AccountName, AssetId, OwnerId, TaskId};
pub use limit::{Access, Client, ClientLimits, DailyLimits, LimitStatus, ModelLimits, ProviderLimits};
pub use media::{
    Delivered, MediaKind, Output, OutputMedia, Source, extension_of, media_type_of_bytes,
    media_type_of_extension,
};
pub use message::{Call, MediaForm, MediaSlot, Reply};
pub use money::{Money, NotMoney};
pub use network::{Network, NotANetwork};
pub use preference::{NotAPreference, Preference, Strategy};
pub use price::{Quote, QuotedPrice, Settlement};
pub use price_list::{PriceCondition, PriceList, PriceRule, Rate};
pub use request::{
    Basis, Callback, Derivation, Draft, DraftBasis, DraftInput, DraftMedia, DraftUpload, GenerationRequest,
    Input, Media, OutputSpec, Role, Scope, Vendor,
};
pub use state::{IllegalTransition, TaskEvent, TaskState};
pub use task::{Attempt, AttemptOutcome, NewAttempt, Task};
pub use time::Timestamp;
pub use trace::{NotATraceContext, TaskTrace, TraceContext};
