//! The scripts, one per decision, and how their arguments are laid out.

use std::time::Duration;

use domain::TaskId;
use redis::{Script, ScriptInvocation};

use crate::contract::LimitKey;
use crate::gcra::Pace;

/// All scripts, and the prefix of all keys. They are sent by their digests, and in full to a server that lacks them.
pub(super) struct Scripts {
    prefix: String,
    check: Script,
    seed: Script,
    acquire: Script,
    lease: Script,
    count: Script,
}

impl Scripts {
    /// All keys have the tag `{prefix}`, so that a cluster keeps them together and a script may use several.
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: format!("{{{prefix}}}"),
            check: Script::new(include_str!("check.lua")),
            seed: Script::new(include_str!("seed.lua")),
            acquire: Script::new(include_str!("acquire.lua")),
            lease: Script::new(include_str!("lease.lua")),
            count: Script::new(include_str!("count.lua")),
        }
    }

    pub(super) fn check<'a>(
        &'a self,
        limits: impl Iterator<Item = (&'a LimitKey, Pace)>,
    ) -> ScriptInvocation<'a> {
        let mut call = self.check.prepare_invoke();
        for (key, pace) in limits {
            call.key(self.rate_name(key)).arg(pace.interval).arg(pace.tolerance);
        }
        call
    }

    /// Of each rate, the time in microseconds until it is unused.
    pub(super) fn seed(&self, backlogs: &[(LimitKey, u64)]) -> ScriptInvocation<'_> {
        let mut call = self.seed.prepare_invoke();
        for (key, backlog) in backlogs {
            call.key(self.rate_name(key)).arg(*backlog);
        }
        call
    }

    pub(super) fn acquire(
        &self,
        task: &TaskId,
        slots: &[(LimitKey, u32)],
        lease: Duration,
    ) -> ScriptInvocation<'_> {
        let mut call = self.acquire.prepare_invoke();
        call.arg(task.as_str()).arg(millis(lease));
        for (key, max) in slots {
            call.key(self.slots_name(key)).arg(*max);
        }
        call
    }

    /// Of each slot, its holder and for how long; for no time gives it back.
    pub(super) fn lease<'a>(
        &'a self,
        leases: impl Iterator<Item = (&'a LimitKey, &'a TaskId, Duration)>,
    ) -> ScriptInvocation<'a> {
        let mut call = self.lease.prepare_invoke();
        for (key, task, lease) in leases {
            call.key(self.slots_name(key)).arg(task.as_str()).arg(millis(lease));
        }
        call
    }

    pub(super) fn count(&self, key: &LimitKey) -> ScriptInvocation<'_> {
        self.count.key(self.slots_name(key))
    }

    fn rate_name(&self, key: &LimitKey) -> String {
        format!("{}:rate:{}", self.prefix, name(key))
    }

    fn slots_name(&self, key: &LimitKey) -> String {
        format!("{}:slots:{}", self.prefix, name(key))
    }
}

/// No two keys have the same name: the length says where an owner ends, which may hold anything.
fn name(key: &LimitKey) -> String {
    match key {
        LimitKey::Client(owner) => format!("client:{owner}"),
        LimitKey::ClientModel(owner, model) => {
            format!("client-model:{}:{owner}:{model}", owner.as_str().len())
        }
        LimitKey::Account(account) => format!("account:{account}"),
        LimitKey::Provider(provider) => format!("provider:{provider}"),
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
