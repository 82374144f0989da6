//! What operators see of the way in. Labels are names from registries, never what a client sent.

use std::time::Duration;

use http::StatusCode;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};

use crate::routes::Matched;

/// From a poll out of memory to a large body over a slow line, in seconds.
const DURATION_BUCKETS: &[f64] =
    &[0.000_25, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 120.0];

/// The counters of this crate.
pub(crate) struct Metrics {
    requests: IntCounterVec,
    durations: HistogramVec,
    in_flight: IntGauge,
    connections: IntGauge,
    waiting: IntGauge,
    event_streams: IntGauge,
}

/// One more, until it is dropped.
pub(crate) struct Counted(IntGauge);

impl Metrics {
    /// Registers all with `registry`; fails if they are registered already.
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            requests: IntCounterVec::new(
                Opts::new("filmgate_http_requests_total", "Requests answered."),
                &["dialect", "action", "status"],
            )?,
            durations: HistogramVec::new(
                HistogramOpts::new(
                    "filmgate_http_request_duration_seconds",
                    "From the request's head to the answer's head, in seconds.",
                )
                .buckets(DURATION_BUCKETS.to_vec()),
                &["dialect", "action"],
            )?,
            in_flight: IntGauge::new("filmgate_http_requests_in_flight", "Requests being answered.")?,
            connections: IntGauge::new("filmgate_http_connections", "Open client connections.")?,
            waiting: IntGauge::new("filmgate_http_requests_waiting", "Requests that wait for their task.")?,
            event_streams: IntGauge::new("filmgate_http_event_streams", "Open event streams.")?,
        };
        registry.register(Box::new(metrics.requests.clone()))?;
        registry.register(Box::new(metrics.durations.clone()))?;
        registry.register(Box::new(metrics.in_flight.clone()))?;
        registry.register(Box::new(metrics.connections.clone()))?;
        registry.register(Box::new(metrics.waiting.clone()))?;
        registry.register(Box::new(metrics.event_streams.clone()))?;
        // Of the usual answers only what an alert asks for: the others begin when they are given.
        let failed = StatusCode::INTERNAL_SERVER_ERROR;
        metrics.requests.with_label_values(&["none", "none", failed.as_str()]);
        Ok(metrics)
    }

    /// Notes an answer.
    pub(crate) fn answered(&self, matched: Option<&Matched>, status: StatusCode, duration: Duration) {
        let (dialect, action) = matched.map_or(("none", "none"), Matched::labels);
        self.requests.with_label_values(&[dialect, action, status.as_str()]).inc();
        self.durations.with_label_values(&[dialect, action]).observe(duration.as_secs_f64());
    }

    /// One more request under way, until the answer is dropped.
    pub(crate) fn request_begins(&self) -> Counted {
        Counted::new(&self.in_flight)
    }

    /// The gauge of requests that wait for their task.
    pub(crate) fn waiting(&self) -> &IntGauge {
        &self.waiting
    }

    /// The gauge of open event streams.
    pub(crate) fn event_streams(&self) -> &IntGauge {
        &self.event_streams
    }

    /// The gauge of open connections.
    pub(crate) fn connections(&self) -> &IntGauge {
        &self.connections
    }
}

impl Counted {
    /// Counts one in `gauge`.
    pub(crate) fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
