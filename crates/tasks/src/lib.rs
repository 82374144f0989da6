//! The life of a task: accepted by [`TaskService`], submitted, polled and collected by [`Worker`].
//!
//! The service is all that handlers see. A submission never runs inside a handler's future, which is dropped when the
//! client hangs up; it runs in the worker.

mod account_metrics;
mod admit;
mod assets;
mod at_work;
mod cancel;
mod choose;
mod clock;
mod collect;
mod create;
mod daily;
mod deliveries;
mod dispatch;
mod drained;
mod explain;
mod failover;
mod follow;
mod gauges;
mod grip;
mod health;
mod held;
mod hints;
mod idempotency;
mod inputs;
mod keys;
mod late;
mod live;
mod localize;
mod metrics;
mod nudged;
mod operator;
mod pace;
mod pass_on;
mod poll;
mod quarantine;
mod queue;
mod refusal;
mod reload;
mod resolve;
mod service;
mod settings;
mod setup;
mod shared;
mod signature;
mod slots;
mod spans;
mod spool;
mod stopping;
mod submit;
mod sweep;
mod watch;
mod worker;

/// The target of log lines with words of upstreams, which may repeat a prompt. Heard only by who asks for it by name.
pub(crate) const SAID: &str = "filmgate::said";

pub use assets::{AssetFile, AssetStorage};
pub use create::Created;
pub use deliveries::Deliverer;
pub use explain::{
    By, Considered, Decided, Explanation, LeftOut, ModelShown, Outcome, Question, Refused, Way, explain,
};
pub use follow::Following;
pub use hints::HintSettings;
pub use keys::{Declared, DeclaredKey, Keyring, NewKey, generate_key, random_key};
pub use late::{LateSettings, LateWatcher};
pub use operator::{
    AccountView, AttemptView, CreatedKey, DeliveryQuery, DeliveryStateName, DeliveryView, Deployment,
    FailureView, Grant, GrantView, HeldView, KeyView, KeyWish, LateView, LedgerQuery, LimitKind, LimitQuery,
    LimitView, Listed, NewToken, NotDerived, Operator, Operators, Page, PageQuery, QuarantinedView,
    ReloadView, Replayed, RowView, Settle, Settled, StateName, StatusView, SummedBy, TaskDetails, TaskQuery,
    TaskRow, TaskView, TodayView, Token, TotalView, TotalsQuery, Verdict, WorkQuery, WorkView, span_end,
    span_start,
};
pub use reload::{ReloadWish, ReloadWishes, Reloaded, Reloads};
pub use service::TaskService;
pub use settings::{CallbackSettings, Settings, Writers};
pub use setup::{CurrentSetup, Setup};
pub use shared::{Parts, Shared, StartError};
pub use signature::Signer;
pub use spool::Spool;
pub use sweep::{RetentionSettings, Sweeper};
pub use worker::Worker;
