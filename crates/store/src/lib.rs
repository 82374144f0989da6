//! What must not be forgotten: tasks, attempts, assets, client keys.
//!
//! [`TaskStore`] is the seam. Its embedded back end is [`SqliteStore`]; the module `conformance` (behind the feature
//! of that name) is the suite that each back end passes.

mod books;
#[cfg(feature = "conformance")]
pub mod conformance;
mod contract;
mod daily;
mod deliveries;
mod late;
mod sqlite;

pub use books::{
    HeldMoney, HeldVerdict, KnownWork, LedgerBy, LedgerKind, LedgerRow, LedgerSpan, LedgerTotal,
};
pub use contract::*;
pub use daily::{DailyBound, DailyKey, DailyLimit, DailyUse, DailyVerdict, OverDaily};
pub use deliveries::{Delivery, DeliveryClaim, DeliveryState, NewDelivery, Tried};
pub use late::{CrashingTask, LateClaim, LateResult, LateWord};
pub use sqlite::{Clock, SqliteSettings, SqliteStore};
