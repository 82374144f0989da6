//! Brings gauges up to date, away from the work: what this process knows each second, what the store knows every few
//! seconds, and less often where its answer takes long.

use std::sync::Arc;
use std::time::Duration;

use domain::{Timestamp, with_sources};
use store::SummaryBounds;
use tokio::time::{Instant, sleep};

use crate::clock;
use crate::shared::Shared;

/// How often what this process knows is told.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How often the store is asked.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// Asking takes at most this part of the time.
const ASK_SHARE: u32 = 50;
/// The longest pause between two questions, however long the answers take.
const ASK_EVERY_MAX: Duration = Duration::from_secs(60);
/// A result that could not be copied for this part of the time for which that is tried is at risk.
const AT_RISK_PART: u32 = 12;

/// Tells for ever.
pub(crate) async fn run(shared: &Shared) {
    let mut known = None;
    let mut stood = Vec::new();
    let mut ask_at = Instant::now();
    loop {
        let setup = shared.setup.get();
        let is_known = known.as_ref().is_some_and(|known| Arc::ptr_eq(known, &setup));
        if !is_known {
            shared.metrics.know(&setup);
            known = Some(Arc::clone(&setup));
        }
        let standings = shared.health.standings(&setup);
        shared.metrics.accounts.standings(&standings);
        // Of all candidates of all models, so only when it may have changed.
        if !is_known || standings != stood {
            shared.metrics.accounts.usable(&setup, &standings);
            stood = standings;
        }
        shared.metrics.accounts.queued(&setup, shared.waiting.lengths());
        shared.metrics.live.refused(shared.upstream.refusals());
        if Instant::now() >= ask_at {
            let begun = Instant::now();
            ask(shared).await;
            ask_at = Instant::now() + (begun.elapsed() * ASK_SHARE).clamp(ASK_EVERY, ASK_EVERY_MAX);
        }
        sleep(TELL_EVERY).await;
    }
}

async fn ask(shared: &Shared) {
    let begun = Instant::now();
    let answered = shared.store.ping().await;
    shared.metrics.live.pinged(answered.is_ok().then(|| begun.elapsed()));
    let settings = &shared.settings;
    let at_risk_after = (settings.collect_hold / AT_RISK_PART).as_millis();
    let uncopied_since = clock::now().as_millis() - i64::try_from(at_risk_after).unwrap_or(i64::MAX);
    let bounds = SummaryBounds {
        uncopied_since: Timestamp::from_millis(uncopied_since),
        crashes_min: settings.crashes_max,
    };
    match shared.store.live_summary(bounds).await {
        Ok(summary) => shared.metrics.live.summarised(&shared.setup.get(), &summary),
        Err(error) => tracing::warn!(error = with_sources(&error), "counting what is live failed"),
    }
}
