//! The section on the life of a task.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{GIB, HOUR, MIB, MINUTE};
use crate::text::{self, DurationText, SizeText};

/// The life of a task after it was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tasks {
    /// Steps (a submit, a poll, the fetching of a result) at one time.
    #[schemars(range(min = 1))]
    pub workers_max: usize,
    /// Another worker takes over a step whose worker has been silent for this long. Must be longer than submit_timeout.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub lease: Duration,
    /// From acceptance; a task that has not ended by then expires.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub task_deadline: Duration,
    /// How long a task is held of which it is not known whether the provider accepted it. After that the on_unknown of
    /// the account decides.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub unknown_hold: Duration,
    /// From the moment at which an answer was lost to the first look for what became of the submit. The waits between
    /// looks grow with their age, up to look_after_max.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub look_after: Duration,
    /// The longest wait between two looks.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub look_after_max: Duration,
    /// From the submit; a provider that does not know it is believed no sooner.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub absent_after: Duration,
    /// Looks in a row at which a provider must not know a submit before that is believed.
    #[schemars(range(min = 1))]
    pub absent_looks: u32,
    /// The file for providers' ids that the store does not take at the moment. A submit under way has 2.25KiB of it set
    /// aside, so it also bounds how many there are. At least 64KiB.
    #[serde(with = "text::size")]
    #[schemars(with = "SizeText")]
    pub spool_bytes: u64,
    /// For a connection to a provider, TLS handshake included.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub connect_timeout: Duration,
    /// For a provider to answer a submit, connecting included.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub submit_timeout: Duration,
    /// For a provider to answer a poll, connecting included.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub poll_timeout: Duration,
    /// For one try to fetch a result.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub result_timeout: Duration,
    /// How long fetching a result is tried before clients are given the provider's own URL.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub result_retry_for: Duration,
    /// The largest answer of a provider. Some hold the results themselves, as base64.
    #[serde(with = "text::size")]
    #[schemars(with = "SizeText")]
    pub reply_bytes_max: u64,
    /// The largest result.
    #[serde(with = "text::size")]
    #[schemars(with = "SizeText")]
    pub result_bytes_max: u64,
    /// How long media that comes in with requests, or ahead of them, can be read at its URL.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub input_lifetime: Duration,
    /// How long a client's `Idempotency-Key` is known; at least a day. The same key for the same request answers with
    /// the same task, for another request it is refused.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub idempotency_lifetime: Duration,
    /// How long a request without a key is taken for the same as an earlier one that asked for exactly the same: for
    /// clients that repeat requests by themselves. 0s: never, each request is a task of its own.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub duplicate_window: Duration,
    /// The largest input that is fetched from a client's URL, for providers that take bytes only.
    #[serde(with = "text::size")]
    #[schemars(with = "SizeText")]
    pub input_bytes_max: u64,
    /// For fetching one input, or bringing one to a provider.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub input_timeout: Duration,
    /// From acceptance; how long an input is tried to be had before its task fails.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub input_retry_for: Duration,
    /// Results together that one answer may hold; larger ones are read at their URLs.
    #[serde(with = "text::size")]
    #[schemars(with = "SizeText")]
    pub inline_result_bytes_max: u64,
    /// Live tasks that polls find in memory; the others are read from the store.
    pub live_view_max: usize,
    /// From the end of a task whose provider may still be at work: for how long it is asked what became of it. What it
    /// finishes late is kept and entered into the ledger. 0s turns that off.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub late_watch: Duration,
    /// Between two such looks at first. The waits grow with the time since the end, up to late_look_max.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub late_look_after: Duration,
    /// The longest of these waits.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub late_look_max: Duration,
    /// Crashes of the worker or the process with one task in a row after which it is left alone until the operator
    /// releases it or its deadline passes.
    #[schemars(range(min = 1))]
    pub crashes_max: u32,
    /// Submits of one task, counted over all accounts. Only one that was refused or never left leads to another; waits
    /// between them grow to a minute, so the default rides out about a quarter of an hour without any provider.
    #[schemars(range(min = 1))]
    pub attempts_max: u32,
}

impl Default for Tasks {
    fn default() -> Self {
        Self {
            workers_max: 256,
            lease: MINUTE * 3 / 2,
            task_deadline: HOUR * 24,
            unknown_hold: MINUTE * 30,
            look_after: Duration::from_secs(3),
            look_after_max: MINUTE,
            absent_after: MINUTE,
            absent_looks: 3,
            spool_bytes: MIB,
            connect_timeout: Duration::from_secs(10),
            submit_timeout: MINUTE,
            poll_timeout: MINUTE / 2,
            result_timeout: MINUTE * 10,
            result_retry_for: HOUR,
            reply_bytes_max: 96 * MIB,
            result_bytes_max: 2 * GIB,
            input_lifetime: HOUR * 72,
            idempotency_lifetime: HOUR * 24,
            duplicate_window: Duration::ZERO,
            input_bytes_max: 64 * MIB,
            input_timeout: MINUTE,
            input_retry_for: MINUTE * 2,
            inline_result_bytes_max: 64 * MIB,
            live_view_max: 10_000,
            late_watch: HOUR * 24,
            late_look_after: MINUTE,
            late_look_max: MINUTE * 15,
            crashes_max: 3,
            attempts_max: 20,
        }
    }
}
