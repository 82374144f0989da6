//! Sends spans in batches. A receiver that is away costs spans, never a request: while a batch is tried again the queue
//! fills up, and what has no room there is counted.

use std::time::Duration;

use bytes::Bytes;
use prometheus::{IntCounterVec, Registry};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::Settings;
use super::otlp::{self, Span};

/// How long spans are gathered.
const GATHER_FOR: Duration = Duration::from_secs(1);
/// Spans of one batch.
const BATCH_MAX: usize = 512;
/// How often a batch is sent at most, and the wait after the first time; it doubles.
const TRIES_MAX: u32 = 4;
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Statuses after which a batch may be sent again (OTLP, "Failures").
const RETRYABLE: [u16; 4] = [429, 502, 503, 504];

/// How a receiver answers: status and body, or why it did not.
pub type Answer = Result<(u16, Bytes), String>;

/// Sends what the [`TraceLayer`](super::TraceLayer) has recorded.
pub struct Exporter {
    settings: Settings,
    queue: mpsc::Receiver<Span>,
    spans: IntCounterVec,
}

impl Exporter {
    pub(super) fn new(settings: Settings, queue: mpsc::Receiver<Span>, spans: IntCounterVec) -> Self {
        for outcome in ["sent", "dropped", "failed", "rejected"] {
            spans.with_label_values(&[outcome]);
        }
        Self { settings, queue, spans }
    }

    /// Shows in `registry` what becomes of spans.
    ///
    /// # Errors
    /// If it shows them already.
    pub fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.spans.clone()))
    }

    /// Sends by `send`, which takes the body of an OTLP request, until `stop` is true; then what is left, once and as far as
    /// the time for one batch goes.
    pub async fn run<F>(mut self, send: impl Fn(Bytes) -> F, mut stop: watch::Receiver<bool>)
    where
        F: Future<Output = Answer>,
    {
        while !*stop.borrow() && stop.has_changed().is_ok() {
            let batch = self.gather(&mut stop).await;
            if !batch.is_empty() {
                self.deliver(batch, &send, &mut stop).await;
            }
        }
        self.queue.close();
        let at_most = self.settings.timeout;
        let rest = async {
            loop {
                let batch: Vec<Span> =
                    std::iter::from_fn(|| self.queue.try_recv().ok()).take(BATCH_MAX).collect();
                if batch.is_empty() {
                    return;
                }
                self.deliver(batch, &send, &mut stop).await;
            }
        };
        if timeout(at_most, rest).await.is_err() {
            tracing::warn!("the last spans of traces could not be sent in time");
        }
    }

    /// What has ended in a while; less than that if it is much or the end has come.
    async fn gather(&mut self, stop: &mut watch::Receiver<bool>) -> Vec<Span> {
        let mut batch = Vec::new();
        let full = async {
            while batch.len() < BATCH_MAX {
                let room = BATCH_MAX - batch.len();
                if self.queue.recv_many(&mut batch, room).await == 0 {
                    return;
                }
            }
        };
        tokio::select! {
            biased;
            () = full => {}
            _stopped = is_true(stop, GATHER_FOR) => {}
        }
        batch
    }

    async fn deliver<F>(&self, batch: Vec<Span>, send: &impl Fn(Bytes) -> F, stop: &mut watch::Receiver<bool>)
    where
        F: Future<Output = Answer>,
    {
        let count = batch.len() as u64;
        let body = Bytes::from(otlp::request(&self.settings.resource, batch));
        let mut wait = RETRY_AFTER;
        for tried in 1..=TRIES_MAX {
            let answer = timeout(self.settings.timeout, send(body.clone())).await;
            let reason = match answer.unwrap_or_else(|_elapsed| Err("no answer in time".to_owned())) {
                Ok((status, answer)) if (200..300).contains(&status) => {
                    let rejected = otlp::rejected(&answer).min(count);
                    self.count("sent", count - rejected);
                    self.count("rejected", rejected);
                    return;
                }
                Ok((status, _)) if !RETRYABLE.contains(&status) => {
                    tracing::warn!(status, spans = count, "the receiver of traces refuses spans");
                    break;
                }
                Ok((status, _)) => format!("status {status}"),
                Err(reason) => reason,
            };
            let is_over = tried == TRIES_MAX || is_true(stop, wait).await;
            if is_over {
                tracing::warn!(reason, spans = count, "the receiver of traces does not take spans");
                break;
            }
            wait *= 2;
        }
        self.count("failed", count);
    }

    /// What waits, without sending it.
    #[cfg(test)]
    pub(super) fn drained(&mut self) -> Vec<Span> {
        std::iter::from_fn(|| self.queue.try_recv().ok()).collect()
    }

    #[cfg(test)]
    pub(super) fn counted(&self, outcome: &str) -> u64 {
        self.spans.with_label_values(&[outcome]).get()
    }

    fn count(&self, outcome: &str, spans: u64) {
        self.spans.with_label_values(&[outcome]).inc_by(spans);
    }
}

/// Whether `stop` becomes true within that time.
async fn is_true(stop: &mut watch::Receiver<bool>, within: Duration) -> bool {
    tokio::select! {
        biased;
        _told = stop.wait_for(|stop| *stop) => true,
        () = sleep(within) => false,
    }
}

#[cfg(test)]
mod tests;
