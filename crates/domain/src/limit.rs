//! Who calls, and how much they may.

use std::time::Duration;

use crate::{Money, OwnerId};

/// A client that proved its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Whose tasks it sees.
    pub owner: OwnerId,
    /// What it may use.
    pub limits: ClientLimits,
    /// The API that it speaks where several claim the same path; the request itself shows it otherwise.
    pub dialect: Option<String>,
}

/// The limits of one client key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLimits {
    /// Requests a minute, at least 1.
    pub requests_per_minute: u32,
    /// Tasks between accept and terminal state at one time, at least 1.
    pub concurrent_tasks: u32,
    /// What its tasks may cost in all; absent if there is no bound.
    pub budget: Option<Money>,
}

/// What a rate limit said to one request; dialects write it into their headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitStatus {
    /// The limit itself, requests a minute.
    pub limit: u32,
    /// Requests that would still pass right now.
    pub remaining: u32,
    /// Until the whole limit is free again.
    pub reset_after: Duration,
}
