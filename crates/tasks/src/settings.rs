//! The bounds of the work on tasks. Each has a name in the config, where its default stands.

use std::time::Duration;

use crate::{HintSettings, LateSettings, RetentionSettings};

/// Bounds of the service and the worker.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where upstreams and clients reach this gateway, without a trailing slash: for inputs that we store.
    pub base_url: String,
    /// Steps (one submission, poll or copy each) at one time.
    pub steps_max: usize,
    /// How long a claimed task is ours between two writes.
    pub lease: Duration,
    /// From accept to the end at the latest.
    pub task_deadline: Duration,
    /// How long a task of unknown outcome is held before the account's policy decides.
    pub unknown_hold: Duration,
    /// From a lost answer to the first look for what became of the submission; the waits between looks grow from it.
    pub look_after: Duration,
    /// The longest wait between two looks.
    pub look_after_max: Duration,
    /// From the intent; an upstream that does not know the submission is believed no sooner.
    pub absent_after: Duration,
    /// Looks in a row at which it must not know it, at least 1.
    pub absent_looks: u32,
    /// How long results are tried to be copied before the upstream's own URL is given out.
    pub collect_hold: Duration,
    /// One submission, from connecting to the last byte of the answer.
    pub submit_timeout: Duration,
    /// One poll, likewise.
    pub poll_timeout: Duration,
    /// Copying one result.
    pub result_timeout: Duration,
    /// The largest result.
    pub result_bytes_max: u64,
    /// How long media that came in with requests can be read.
    pub input_lifetime: Duration,
    /// The largest input that is fetched for an upstream that wants bytes.
    pub input_bytes_max: u64,
    /// Fetching one input, or bringing one to an upstream.
    pub input_timeout: Duration,
    /// How long an input is tried to be had before its task fails.
    pub input_hold: Duration,
    /// The largest sum of results that one reply holds.
    pub inline_result_bytes_max: u64,
    /// How upstreams may call; absent if they cannot reach this gateway.
    pub hints: Option<HintSettings>,
    /// Messages to clients' own servers.
    pub callbacks: CallbackSettings,
    /// Who else works on the same store.
    pub writers: Writers,
    /// Live tasks that polls find in memory, where this process writes alone.
    pub live_view_max: usize,
    /// How long a client's key of idempotency is known.
    pub idempotency_lifetime: Duration,
    /// How long a request without such a key is known by what it asks for; zero if each one is another.
    pub duplicate_window: Duration,
    /// How ended tasks are watched whose upstreams may still be at work.
    pub late: LateSettings,
    /// How long things are kept.
    pub retention: RetentionSettings,
    /// Crashes in a row after which a task is put into quarantine, at least 1.
    pub crashes_max: u32,
    /// Submissions of one task, counting those that were refused or never left.
    pub attempts_max: u32,
}

/// Who writes a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// This process alone: what it remembers is what is stored.
    Alone,
    /// Several processes: each may have changed what another one remembers.
    Several,
}

/// Bounds of the messages to clients' own servers.
#[derive(Debug, Clone)]
pub struct CallbackSettings {
    /// One try, from resolving to the answer.
    pub timeout: Duration,
    /// Tries of one message, at least 1.
    pub tries_max: u32,
    /// From the first failed try to the second; it doubles each time.
    pub retry_after: Duration,
    /// Tries at one time.
    pub at_once_max: usize,
    /// Tries at one time to one host, at least 1, so that a slow receiver delays nobody else.
    pub per_host_max: usize,
    /// Whether messages may go over plain HTTP.
    pub allow_http: bool,
}
