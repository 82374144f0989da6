//! Listens to spans, and puts those that have ended into a bounded queue. It never waits: what has no room is counted.

use std::num::NonZeroU128;
use std::time::{Duration, SystemTime};

use prometheus::{IntCounterVec, Opts};
use tokio::sync::mpsc;
use tracing::{Subscriber, span};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::export::Exporter;
use super::otlp::{self, Span};
use super::record::{Place, Record};
use crate::log::is_own_span;

/// Which traces are recorded, and who says so.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The share of new traces that are recorded, from 0 to 1. Where a client brings a trace, its own word counts.
    pub sample_ratio: f64,
    /// Spans that wait to be sent at most.
    pub queue_max: usize,
    /// How long sending one batch may take, and sending the rest at the end.
    pub timeout: Duration,
    /// What describes this process in every trace, by OpenTelemetry's names; `service.name` at least.
    pub resource: Vec<(String, String)>,
}

/// Listens to spans.
pub struct TraceLayer {
    /// Traces with a smaller id are recorded.
    threshold: u64,
    queue: mpsc::Sender<Span>,
    spans: IntCounterVec,
}

/// What records traces, and what sends them.
///
/// # Errors
/// If the names of the metrics contradict each other.
pub fn traces(settings: Settings) -> Result<(TraceLayer, Exporter), prometheus::Error> {
    let counted = Opts::new("filmgate_trace_spans_total", "Spans of traces, by what became of them.");
    let spans = IntCounterVec::new(counted, &["outcome"])?;
    let (queue, queued) = mpsc::channel(settings.queue_max.max(1));
    let threshold = (settings.sample_ratio.clamp(0.0, 1.0) * (1u64 << 63) as f64) as u64;
    let layer = TraceLayer { threshold, queue, spans: spans.clone() };
    Ok((layer, Exporter::new(settings, queued, spans)))
}

impl TraceLayer {
    /// A new trace; its id decides whether it is recorded, as with OpenTelemetry's `TraceIdRatioBased`.
    pub(super) fn root(&self) -> Place {
        let trace_id = NonZeroU128::new(fastrand::u128(1..)).expect("the range has no zero");
        let is_sampled = ((trace_id.get() as u64) >> 1) < self.threshold;
        Place::root(trace_id, is_sampled)
    }

    /// The layer, which hears no more than our own spans.
    pub(crate) fn filtered<S>(self) -> impl Layer<S> + Send + Sync
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        self.with_filter(filter_fn(is_own_span))
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for TraceLayer {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let place = span.parent().and_then(|parent| {
            let extensions = parent.extensions();
            let place = extensions.get::<Record>()?.place.as_ref()?;
            Some(Place::child(&place.context))
        });
        let mut record = Record::new(attributes.metadata().name(), place);
        if !record.is_in_vain() {
            attributes.record(&mut record);
        }
        span.extensions_mut().insert(record);
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        if let Some(record) = extensions.get_mut::<Record>().filter(|record| !record.is_in_vain()) {
            values.record(record);
        }
    }

    fn on_close(&self, id: span::Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let record = span.extensions_mut().remove::<Record>().filter(Record::is_sampled);
        let Some(ended) = record.and_then(|record| otlp::span(record, SystemTime::now())) else { return };
        if self.queue.try_send(ended).is_err() {
            self.spans.with_label_values(&["dropped"]).inc();
        }
    }
}
