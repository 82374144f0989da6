//! Limits that many gateways share by way of Redis or Valkey.

mod scripts;
mod server;
mod settings;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use domain::TaskId;

use crate::contract::{Holding, LimitKey, Limiter, RateVerdict, SlotVerdict, Standing};
use crate::gcra::{Pace, Rate};
use crate::local::LocalLimiter;
use scripts::Scripts;
use server::{CallError, Server, Silence};
pub use settings::{OnOutage, SettingsError, SharedSettings};

/// How many keys one call names at most, so that no call keeps others waiting for long.
const KEYS_PER_CALL_MAX: usize = 500;
/// How many slots are remembered that the server does not know to be given back; what is beyond ends with its lease.
const UNRELEASED_MAX: usize = 100_000;

/// The back end for many gateways. Dropping it ends its watch over the server.
pub struct SharedLimiter {
    sides: Arc<Sides>,
}

/// Numbers for metrics, counted since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedStats {
    /// How often the shared limits went away.
    pub outages: u64,
    /// Decisions that the local limiter made.
    pub decided_locally: u64,
    /// Decisions that were refused because nobody could make them.
    pub unavailable: u64,
}

/// Both sides: the server that decides, and what stands in for it.
struct Sides {
    server: Server,
    scripts: Scripts,
    on_outage: OnOutage,
    retry_after: Duration,
    /// How far rates are used, as far as this gateway knows, and what is held through it, whoever decided it.
    local: LocalLimiter,
    /// Slots that the server may still count though they were given back.
    unreleased: Mutex<HashSet<(LimitKey, TaskId)>>,
    decided_locally: AtomicU64,
    unavailable: AtomicU64,
}

impl SharedLimiter {
    /// Looks for the server and begins to watch it. It may be away: then it starts in an outage.
    pub async fn start(settings: SharedSettings) -> Result<Self, SettingsError> {
        settings.check_key_prefix()?;
        let sides = Arc::new(Sides {
            server: Server::new(&settings)?,
            scripts: Scripts::new(&settings.key_prefix),
            on_outage: settings.on_outage,
            retry_after: settings.probe_interval,
            local: LocalLimiter::new(settings.tracked_keys_max),
            unreleased: Mutex::default(),
            decided_locally: AtomicU64::new(0),
            unavailable: AtomicU64::new(0),
        });
        sides.look().await;
        tokio::spawn(watch(Arc::downgrade(&sides), settings.probe_interval));
        Ok(Self { sides })
    }

    /// Whether the shared limits are away.
    pub fn is_degraded(&self) -> bool {
        self.sides.server.is_away()
    }

    /// What happened so far.
    pub fn stats(&self) -> SharedStats {
        SharedStats {
            outages: self.sides.server.outages(),
            decided_locally: self.sides.decided_locally.load(Ordering::Relaxed),
            unavailable: self.sides.unavailable.load(Ordering::Relaxed),
        }
    }
}

#[async_trait]
impl Limiter for SharedLimiter {
    async fn check(&self, rates: &[(LimitKey, Rate)]) -> RateVerdict {
        if rates.is_empty() {
            return RateVerdict::Allowed(None);
        }
        let sides = &self.sides;
        let paces = rates.iter().map(|(key, rate)| (key, Pace::of(*rate, 1)));
        let asked = sides.server.ask::<(bool, usize, Vec<u64>)>(sides.scripts.check(paces)).await;
        let Ok((is_allowed, index, backlogs)) = asked else { return sides.check_in_outage(rates) };
        sides.local.learn(rates.iter().map(|(key, _)| key).zip(backlogs.iter().copied()));
        let (pace, backlog) = (Pace::of(rates[index].1, 1), backlogs[index]);
        let standing = Standing { index, status: pace.status(backlog) };
        if is_allowed {
            return RateVerdict::Allowed(Some(standing));
        }
        let retry_after = pace.take(backlog).err().unwrap_or_default();
        RateVerdict::Refused { by: standing, retry_after }
    }

    async fn acquire(&self, task: &TaskId, slots: &[(LimitKey, u32)], lease: Duration) -> SlotVerdict {
        let sides = &self.sides;
        let holding =
            Holding { task: task.clone(), keys: slots.iter().map(|(key, _)| key.clone()).collect() };
        let asked = sides.server.ask::<(usize, u32)>(sides.scripts.acquire(task, slots, lease)).await;
        match asked {
            Ok((0, _)) => {
                sides.local.hold_now(&[holding], lease);
                SlotVerdict::Taken
            }
            Ok((place, in_use)) => SlotVerdict::Full { index: place - 1, in_use },
            Err(silence) => {
                let verdict = sides.acquire_in_outage(task, slots, lease);
                match (verdict, silence) {
                    (SlotVerdict::Taken, _) => sides.is_held(&holding),
                    (_, Silence::Lost) => sides.is_given_back(&holding),
                    (_, Silence::Away) => {}
                }
                verdict
            }
        }
    }

    async fn hold(&self, holdings: &[Holding], lease: Duration) {
        let sides = &self.sides;
        sides.local.hold_now(holdings, lease);
        for holding in holdings {
            sides.is_held(holding);
        }
        let leases: Vec<_> = holdings
            .iter()
            .flat_map(|holding| holding.keys.iter().map(move |key| (key, &holding.task, lease)))
            .collect();
        for some in leases.chunks(KEYS_PER_CALL_MAX) {
            let call = sides.scripts.lease(some.iter().copied());
            // In an outage the server learns of it when it is back.
            if sides.server.ask::<u32>(call).await.is_err() {
                return;
            }
        }
    }

    async fn release(&self, holding: &Holding) {
        let sides = &self.sides;
        sides.local.release_now(holding);
        let leases = holding.keys.iter().map(|key| (key, &holding.task, Duration::ZERO));
        if sides.server.ask::<u32>(sides.scripts.lease(leases)).await.is_err() {
            sides.is_given_back(holding);
        }
    }

    async fn in_use(&self, key: &LimitKey) -> u32 {
        let sides = &self.sides;
        let shared = sides.server.ask(sides.scripts.count(key)).await;
        shared.unwrap_or_else(|_silence| sides.local.in_use_now(key))
    }

    fn is_shared(&self) -> bool {
        true
    }
}

impl Sides {
    fn check_in_outage(&self, rates: &[(LimitKey, Rate)]) -> RateVerdict {
        match self.on_outage {
            OnOutage::Local { replicas } => {
                self.decided_locally.fetch_add(1, Ordering::Relaxed);
                self.local.check_share(rates, replicas.get())
            }
            OnOutage::Deny => {
                self.unavailable.fetch_add(1, Ordering::Relaxed);
                RateVerdict::Unavailable { retry_after: self.retry_after }
            }
        }
    }

    fn acquire_in_outage(&self, task: &TaskId, slots: &[(LimitKey, u32)], lease: Duration) -> SlotVerdict {
        match self.on_outage {
            OnOutage::Local { replicas } => {
                self.decided_locally.fetch_add(1, Ordering::Relaxed);
                let share = |max: u32| (max / replicas).max(max.min(1));
                let shares: Vec<_> = slots.iter().map(|(key, max)| (key.clone(), share(*max))).collect();
                self.local.acquire_now(task, &shares, lease)
            }
            OnOutage::Deny => {
                self.unavailable.fetch_add(1, Ordering::Relaxed);
                SlotVerdict::Unavailable { retry_after: self.retry_after }
            }
        }
    }

    /// Looks whether the server answers. If it was away, it is told what it missed before it decides again.
    async fn look(&self) {
        if !self.server.is_away() {
            // Without keys this asks for nothing but an answer.
            let _ = self.server.ask::<u32>(self.scripts.seed(&[])).await;
            return;
        }
        if self.hand_over().await.is_err() {
            return;
        }
        self.server.is_back();
        // What was decided here while the server was being told.
        if let Err(error) = self.hand_over().await {
            self.server.is_lost(&error);
        }
    }

    /// Tells the server which slots are held and given back, and how far the rates are used.
    async fn hand_over(&self) -> Result<(), CallError> {
        let given_back: Vec<_> = self.unreleased().iter().cloned().collect();
        let held = self.local.leases();
        let ended = given_back.iter().map(|(key, task)| (key, task, Duration::ZERO));
        let going_on = held.iter().map(|lease| (&lease.key, &lease.task, Duration::from_micros(lease.left)));
        let leases: Vec<_> = ended.chain(going_on).collect();
        for some in leases.chunks(KEYS_PER_CALL_MAX) {
            self.server.call::<u32>(self.scripts.lease(some.iter().copied())).await?;
        }
        for slot in &given_back {
            self.unreleased().remove(slot);
        }
        // At least one call, because an answer to it is what makes the server be back.
        let backlogs = self.local.backlogs();
        for some in backlogs.chunks(KEYS_PER_CALL_MAX) {
            self.server.call::<u32>(self.scripts.seed(some)).await?;
        }
        self.server.call::<u32>(self.scripts.seed(&[])).await.map(|_none| ())
    }

    fn is_given_back(&self, holding: &Holding) {
        let mut unreleased = self.unreleased();
        for key in &holding.keys {
            if unreleased.len() < UNRELEASED_MAX {
                unreleased.insert((key.clone(), holding.task.clone()));
            }
        }
    }

    fn is_held(&self, holding: &Holding) {
        let mut unreleased = self.unreleased();
        if unreleased.is_empty() {
            return;
        }
        for key in &holding.keys {
            unreleased.remove(&(key.clone(), holding.task.clone()));
        }
    }

    fn unreleased(&self) -> MutexGuard<'_, HashSet<(LimitKey, TaskId)>> {
        self.unreleased.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks for the server until nobody needs it any more.
async fn watch(sides: Weak<Sides>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        let Some(sides) = sides.upgrade() else { return };
        sides.look().await;
    }
}
