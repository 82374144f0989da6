//! What must not be forgotten: tasks, attempts, assets, client keys.
//!
//! [`Store`] is the seam, made of one trait for each kind of thing that is kept. Its embedded back end is [`SqliteStore`];
//! the module `conformance` (behind the feature of that name) is the suite that each back end passes.

mod assets;
mod books;
mod callbacks;
#[cfg(feature = "conformance")]
pub mod conformance;
mod contract;
mod daily;
mod deliveries;
mod entries;
mod inspections;
mod keys;
mod late;
mod operations;
mod postgres;
#[cfg(feature = "conformance")]
pub mod postgres_server;
mod retention;
mod rows;
mod sqlite;
mod tasks;
mod unreadable;

pub use assets::{AssetRecord, Assets};
pub use books::{
    Books, HeldMoney, HeldVerdict, KnownWork, LedgerBy, LedgerKind, LedgerRow, LedgerSpan, LedgerTotal,
};
pub use callbacks::{Callbacks, Heard};
pub use contract::{Nudge, Store, StoreError};
pub use daily::{DailyBound, DailyKey, DailyLimit, DailyUse, DailyVerdict, OverDaily};
pub use deliveries::{Deliveries, Delivery, DeliveryClaim, DeliveryState, NewDelivery, Tried};
pub use inspections::{Inspections, OwnerUse, TaskFile};
pub use keys::{KeyRecord, Keys};
pub use late::{CrashingTask, LateClaim, LateResult, LateWord, LateWork};
pub use operations::{LiveCount, LiveSummary, Operations, SummaryBounds, TaskPage, TaskSearch};
pub use postgres::{PostgresClock, PostgresSettings, PostgresStore};
pub use retention::Retention;
pub use sqlite::{Clock, SqliteSettings, SqliteStore};
pub use tasks::*;
