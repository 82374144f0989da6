//! What counts the limits: this process alone, or a Redis or Valkey that several gateways share; and what operators see
//! of it.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_trait::async_trait;
use config::{Config, SharedLimits};
use domain::{Credential, TaskId};
use limits::{
    Holding, LimitKey, Limiter, LocalLimiter, OnOutage, Rate, RateVerdict, SharedLimiter, SharedSettings,
    SlotVerdict,
};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// The limiter that `config` wants. Its metrics are registered with `registry`.
pub(crate) async fn start(config: &Config, registry: &Registry) -> anyhow::Result<Arc<dyn Limiter>> {
    let tracked_keys_max = config.limits.tracked_keys_max;
    let limiter: Arc<dyn Limiter> = match (&config.limits.shared, &config.shared_limits_url) {
        (Some(shared), Some(url)) => {
            let shared = SharedLimiter::start(settings(shared, url, tracked_keys_max)).await;
            let shared = Arc::new(shared.context("limits.shared cannot be used")?);
            registry.register(Box::new(SharedMetrics::new(Arc::clone(&shared))?))?;
            shared
        }
        _ => Arc::new(LocalLimiter::new(tracked_keys_max)),
    };
    Ok(Arc::new(Counted::new(limiter, registry)?))
}

fn settings(shared: &SharedLimits, url: &Credential, tracked_keys_max: usize) -> SharedSettings {
    let on_outage = match shared.on_outage {
        config::OnOutage::Local => {
            OnOutage::Local { replicas: NonZeroU32::new(shared.replicas).unwrap_or(NonZeroU32::MIN) }
        }
        config::OnOutage::Deny => OnOutage::Deny,
    };
    SharedSettings {
        url: url.expose().to_owned(),
        key_prefix: shared.key_prefix.clone(),
        connect_timeout: shared.connect_timeout,
        response_timeout: shared.response_timeout,
        probe_interval: shared.probe_interval,
        on_outage,
        tracked_keys_max,
    }
}

/// How long a decision takes in seconds: from one in memory to one for which the server was waited in vain.
const DECISIONS_S: [f64; 8] = [0.000_05, 0.000_25, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5];
/// What can refuse, and what it counts.
const REJECTIONS: [(&str, &[&str]); 4] = [
    ("client", &["rate", "tasks", "budget", "tasks_of_day", "spend_of_day"]),
    ("client_model", &["rate", "tasks", "tasks_of_day", "spend_of_day"]),
    ("account", &["rate", "tasks", "tasks_of_day", "spend_of_day"]),
    ("provider", &["rate", "tasks", "tasks_of_day", "spend_of_day"]),
];

/// Counts what a limiter refuses, and times its decisions.
struct Counted {
    limiter: Arc<dyn Limiter>,
    rejections: IntCounterVec,
    decisions: HistogramVec,
}

impl Counted {
    fn new(limiter: Arc<dyn Limiter>, registry: &Registry) -> prometheus::Result<Self> {
        let help = "Requests and tasks that a limit refused or made wait, by whose limit and what it counts.";
        let rejections =
            IntCounterVec::new(Opts::new("filmgate_limit_rejections_total", help), &["limit", "kind"])?;
        registry.register(Box::new(rejections.clone()))?;
        // Series that are there from the start can be asked for their increase.
        for (limit, kinds) in REJECTIONS {
            for kind in kinds {
                rejections.with_label_values(&[limit, *kind]);
            }
        }
        let help = "How long a decision about limits took, in seconds, by what was asked.";
        let decisions = HistogramOpts::new("filmgate_limits_decision_seconds", help);
        let decisions = HistogramVec::new(decisions.buckets(DECISIONS_S.to_vec()), &["operation"])?;
        registry.register(Box::new(decisions.clone()))?;
        for operation in ["check", "acquire"] {
            decisions.with_label_values(&[operation]);
        }
        Ok(Self { limiter, rejections, decisions })
    }

    fn decided(&self, operation: &str, begun: Instant) {
        self.decisions.with_label_values(&[operation]).observe(begun.elapsed().as_secs_f64());
    }

    fn rejected(&self, key: &LimitKey, kind: &str) {
        self.rejections.with_label_values(&[key.kind(), kind]).inc();
    }
}

#[async_trait]
impl Limiter for Counted {
    async fn check(&self, rates: &[(LimitKey, Rate)]) -> RateVerdict {
        let begun = Instant::now();
        let verdict = self.limiter.check(rates).await;
        self.decided("check", begun);
        if let RateVerdict::Refused { by, .. } = &verdict {
            self.rejected(&rates[by.index].0, "rate");
        }
        verdict
    }

    async fn acquire(&self, task: &TaskId, slots: &[(LimitKey, u32)], lease: Duration) -> SlotVerdict {
        let begun = Instant::now();
        let verdict = self.limiter.acquire(task, slots, lease).await;
        self.decided("acquire", begun);
        if let SlotVerdict::Full { index, .. } = &verdict {
            self.rejected(&slots[*index].0, "tasks");
        }
        verdict
    }

    async fn hold(&self, holdings: &[Holding], lease: Duration) {
        self.limiter.hold(holdings, lease).await;
    }

    async fn release(&self, holding: &Holding) {
        self.limiter.release(holding).await;
    }

    async fn in_use(&self, key: &LimitKey) -> u32 {
        self.limiter.in_use(key).await
    }

    fn is_shared(&self) -> bool {
        self.limiter.is_shared()
    }

    fn note_refusal(&self, key: &LimitKey, kind: &'static str) {
        self.rejected(key, kind);
    }
}

/// How the shared limits are, as of the moment somebody looks.
struct SharedMetrics {
    limiter: Arc<SharedLimiter>,
    /// One looks at a time, so that nothing is counted twice.
    looking: Mutex<()>,
    up: IntGauge,
    outages: IntCounter,
    local_decisions: IntCounter,
    unavailable: IntCounter,
}

impl SharedMetrics {
    fn new(limiter: Arc<SharedLimiter>) -> prometheus::Result<Self> {
        Ok(Self {
            limiter,
            looking: Mutex::new(()),
            up: IntGauge::new("filmgate_limits_shared_up", "Whether the shared limits answer.")?,
            outages: IntCounter::new(
                "filmgate_limits_outages_total",
                "Times that the shared limits went away.",
            )?,
            local_decisions: IntCounter::new(
                "filmgate_limits_local_decisions_total",
                "Decisions made by this gateway's share of the limits while the shared ones were away.",
            )?,
            unavailable: IntCounter::new(
                "filmgate_limits_unavailable_total",
                "Decisions refused because the shared limits were away.",
            )?,
        })
    }
}

impl Collector for SharedMetrics {
    fn desc(&self) -> Vec<&Desc> {
        let gauge = self.up.desc();
        let counters = [&self.outages, &self.local_decisions, &self.unavailable];
        gauge.into_iter().chain(counters.into_iter().flat_map(Collector::desc)).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let _looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let stats = self.limiter.stats();
        self.up.set(i64::from(!self.limiter.is_degraded()));
        let counters = [
            (&self.outages, stats.outages),
            (&self.local_decisions, stats.decided_locally),
            (&self.unavailable, stats.unavailable),
        ];
        let families = counters.into_iter().flat_map(|(counter, total)| {
            counter.inc_by(total.saturating_sub(counter.get()));
            counter.collect()
        });
        self.up.collect().into_iter().chain(families).collect()
    }
}

#[cfg(test)]
mod tests {
    use domain::OwnerId;

    use super::*;

    #[tokio::test]
    async fn refusals_are_counted_by_whose_limit_it_was() {
        let registry = Registry::new();
        let counted = Counted::new(Arc::new(LocalLimiter::new(10)), &registry).unwrap();
        let (client, lease) = (LimitKey::Client(OwnerId::new("a")), Duration::from_secs(1));
        let provider = LimitKey::Provider("p".into());
        let rates = [(client.clone(), Rate::with_burst(9, 9)), (provider, Rate::with_burst(1, 1))];
        for _request in 0..3 {
            counted.check(&rates).await;
        }
        counted.acquire(&TaskId::new("t"), &[(client.clone(), 0)], lease).await;
        counted.note_refusal(&client, "tasks");
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        for line in ["{kind=\"rate\",limit=\"provider\"} 2", "{kind=\"tasks\",limit=\"client\"} 2"] {
            assert!(text.contains(line), "{text}");
        }
    }
}
