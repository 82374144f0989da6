//! How much a client, an account or a provider may use: requests a minute, and tasks at one time.
//!
//! One decision may name several limits (of a client, of a client and a model, of an account, of a provider): all of
//! them have room and count it, or none counts it. [`Limiter`] is that promise; two back ends keep it, and pass one suite.
//!
//! - **Rates** are GCRA. The whole state of a limit is the moment at which it will be unused again. A request moves
//!   that moment on by `60 s / limit`, and is refused if it would then lie further ahead than a burst takes. So in no span
//!   of time `d` do more than `burst + limit * d` pass, and a limit that nobody used lately needs no memory.
//! - **Slots** are leases: a task holds its slots until it gives them back, or until the lease ends because nobody
//!   renewed it. The store's rows are the truth; a limiter is told of them after a restart.
//! - [`LocalLimiter`] keeps both in memory, each behind one lock that is held for less than a microsecond and never
//!   across an await. Taking several limits at once under one lock is what makes it exact.
//! - [`SharedLimiter`] keeps both in a Redis or Valkey that many replicas share: one script per decision, by the server's
//!   clock. A local limiter learns from each answer how far the limits are used. While the server is away this one goes
//!   on with its share of each limit, and then tells the server what happened in the meantime, so that a change of sides
//!   gives nobody a second burst. How much more than a limit passes in an outage is a matter of how even the load is.
//!
//! [`WrongKeys`] is what one process counts alone: keys that are none, by the address that they come from.

mod buckets;
mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
mod contract;
mod gcra;
mod leases;
mod local;
mod shared;
mod wrong_keys;

pub use clock::Clock;
pub use contract::{Holding, LimitKey, Limiter, RateVerdict, SlotVerdict, Standing};
pub use gcra::{BURST_MIN, Rate};
pub use local::LocalLimiter;
pub use shared::{OnOutage, SettingsError, SharedLimiter, SharedSettings, SharedStats};
pub use wrong_keys::WrongKeys;
