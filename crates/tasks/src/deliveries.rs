//! Tells clients' own servers how their tasks ended. A message is made, and stored, with the end of its task; here it is
//! sent as it stands until its receiver has it, or has refused it often enough.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use domain::{Task, with_sources};
use http::{HeaderMap, HeaderValue, header};
use store::{DeliveryClaim, NewDelivery, StoreError, Tried};
use tokio::task::JoinSet;
use tracing::Instrument as _;
use translation::Links;

use crate::shared::Shared;
use crate::{CallbackSettings, clock, spans};

/// The longest nap: bounds how late another process's messages or a lapsed lease are noticed.
const NAP_MAX: Duration = Duration::from_secs(1);
/// What a lease exceeds the timeout of a try by.
const LEASE_MARGIN: Duration = Duration::from_secs(15);

/// Sends messages until told to stop. Several, also in several processes, may share a store.
pub struct Deliverer {
    shared: Arc<Shared>,
    holder: String,
    tries: JoinSet<String>,
    /// Tries under way, by host.
    hosts: HashMap<String, usize>,
}

impl Deliverer {
    /// A deliverer over `shared`.
    pub fn new(shared: Arc<Shared>) -> Self {
        let holder = uuid::Uuid::now_v7().to_string();
        Self { shared, holder, tries: JoinSet::new(), hosts: HashMap::new() }
    }

    /// Sends until `stop` is ready, then claims nothing more, lets the tries under way end, and returns.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let shared = Arc::clone(&self.shared);
        tokio::pin!(stop);
        loop {
            let nap = self.claim().await;
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(tried) = self.tries.join_next() => self.ended(tried.ok()),
                () = shared.wake_deliverer.notified() => {}
                () = tokio::time::sleep(nap) => {}
            }
            while let Some(tried) = self.tries.try_join_next() {
                self.ended(tried.ok());
            }
        }
        while self.tries.join_next().await.is_some() {}
    }

    /// Claims what is due, as far as there is room, and returns how long nothing more will be due.
    async fn claim(&mut self) -> Duration {
        match self.try_claim().await {
            Ok(nap) => nap,
            Err(error) => {
                tracing::error!(error = with_sources(&error), "claiming deliveries failed");
                NAP_MAX
            }
        }
    }

    async fn try_claim(&mut self) -> Result<Duration, StoreError> {
        let CallbackSettings { at_once_max, per_host_max, timeout, .. } = self.shared.settings.callbacks;
        loop {
            let room = at_once_max.saturating_sub(self.tries.len());
            if room == 0 {
                return Ok(NAP_MAX);
            }
            match self.shared.store.next_delivery_in().await? {
                Some(Duration::ZERO) => {}
                Some(wait) => return Ok(wait.min(NAP_MAX)),
                None => return Ok(NAP_MAX),
            }
            let busy = self.hosts.iter().filter(|(_, tries)| **tries >= per_host_max);
            let busy: Vec<String> = busy.map(|(host, _)| host.clone()).collect();
            // No more at a time than every host that is not busy still has room for: all claimed may go to one.
            let most = self.hosts.values().filter(|tries| **tries < per_host_max).max().copied().unwrap_or(0);
            let max = room.min(per_host_max - most);
            let lease = timeout + LEASE_MARGIN;
            let claims = self.shared.store.claim_deliveries(&self.holder, lease, max, &busy).await?;
            if claims.is_empty() {
                return Ok(NAP_MAX);
            }
            failpoints::pass("delivery_claimed");
            for claim in claims {
                let host = claim.delivery.message.host.clone();
                *self.hosts.entry(host.clone()).or_default() += 1;
                let shared = Arc::clone(&self.shared);
                self.tries.spawn(async move {
                    send(&shared, claim).await;
                    host
                });
            }
        }
    }

    /// A try has ended; one that crashed keeps its place until the process ends, which bounds the harm it can do.
    fn ended(&mut self, host: Option<String>) {
        let Some(host) = host else { return };
        if let Some(tries) = self.hosts.get_mut(&host) {
            *tries -= 1;
            if *tries == 0 {
                self.hosts.remove(&host);
            }
        }
    }
}

async fn send(shared: &Shared, claim: DeliveryClaim) {
    let message = &claim.delivery.message;
    let settings = &shared.settings.callbacks;
    let mut headers = shared.setup.get().signer.headers(&message.id, clock::now(), &message.body);
    if let Ok(content_type) = HeaderValue::from_str(&message.content_type) {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    let tries = claim.delivery.tries + 1;
    let span = spans::delivery(shared, &claim.delivery.task, tries).await;
    let answer = post(shared, message, headers).instrument(span.clone()).await;
    let tried = match answer {
        Ok(()) => Tried::Delivered,
        Err(error) if tries >= settings.tries_max => Tried::Dead { error },
        Err(error) => Tried::Again { after: settings.retry_after * 2u32.pow((tries - 1).min(16)), error },
    };
    let outcome = match &tried {
        Tried::Delivered => "delivered",
        Tried::Again { .. } => "failed",
        Tried::Dead { .. } => "dead",
    };
    shared.metrics.delivery_tried(outcome);
    span.record("filmgate.outcome", outcome);
    if outcome != "delivered" {
        span.record("error.type", outcome);
    }
    span.in_scope(|| {
        tracing::info!(delivery_id = message.id, tries, outcome, "told the client's server");
    });
    if let Err(error) = shared.store.settle_delivery(&message.id, claim.epoch, &tried).await {
        // It is sent again when the lease has run out; the receiver knows it by its id.
        tracing::warn!(
            delivery_id = message.id,
            error = with_sources(&error),
            "what became of a delivery is lost"
        );
    }
    failpoints::pass("delivery_settled");
}

async fn post(shared: &Shared, message: &NewDelivery, headers: HeaderMap) -> Result<(), String> {
    let timeout = shared.settings.callbacks.timeout;
    let status = shared.upstream.notify(&message.url, headers, message.body.clone().into(), timeout).await?;
    if status.is_success() { Ok(()) } else { Err(format!("status {}", status.as_u16())) }
}

/// The message that tells how `task` ended, if its client asked for one: in the words of the API that it was made
/// through.
pub(crate) fn message(shared: &Shared, task: &Task) -> Option<NewDelivery> {
    let callback = task.request.callback.as_ref().filter(|_| task.state.is_terminal())?;
    let dialect = translation::dialect(&task.dialect)?;
    let settings = &shared.settings;
    let host = shared.upstream.check_listener(&callback.url, settings.callbacks.allow_http).ok()?;
    let links = Links { base_url: settings.base_url.clone(), now: clock::now(), headers: HeaderMap::new() };
    let reply = dialect.encode_callback(task, &links);
    let content_type = reply.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    Some(NewDelivery {
        id: format!("msg_{}", uuid::Uuid::now_v7().simple()),
        host,
        url: callback.url.clone(),
        content_type: content_type.unwrap_or("application/json").to_owned(),
        body: reply.body.to_vec(),
    })
}
