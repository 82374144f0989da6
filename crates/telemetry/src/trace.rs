//! Traces: one for each task, from the request that is accepted to the callback. Whoever works makes plain `tracing`
//! spans; here a span gets its place in a trace, and what it is called with elsewhere.
//!
//! Nothing happens, and nothing is paid for, while no [`TraceLayer`] listens.

mod export;
mod layer;
mod otlp;
mod record;

use std::num::NonZeroU64;
use std::time::SystemTime;

use domain::{TaskTrace, TraceContext};
use tracing::{Dispatch, Span};
use tracing_subscriber::Registry;
use tracing_subscriber::registry::LookupSpan as _;

pub use export::{Answer, Exporter};
pub use layer::{Settings, TraceLayer, traces};
use record::{Place, Record};

/// Whether traces are recorded in this process.
pub fn is_on() -> bool {
    tracing::dispatcher::get_default(|dispatch| dispatch.downcast_ref::<TraceLayer>().is_some())
}

/// Makes `span` a child of what another process told us, or one of ours before.
pub fn continue_from(span: &Span, parent: &TraceContext) {
    put(span, |_layer| Place::child(parent));
}

/// Makes `span` the first of a new trace, if it is in none.
pub fn begin(span: &Span) {
    if context(span).is_none() {
        put(span, TraceLayer::root);
    }
}

/// Makes `span` the one that `trace` names as that of the whole task, which has begun at `began`.
pub fn tell_task(span: &Span, trace: &TaskTrace, began: SystemTime) {
    let place = Place { context: trace.context.clone(), parent: Some(trace.parent) };
    put(span, |_layer| place);
    let _untraced = with_record(span, |_layer, record| record.start = began);
}

/// Where `span` stands; `None` if it is in no trace.
pub fn context(span: &Span) -> Option<TraceContext> {
    with_record(span, |_layer, record| record.place.as_ref().map(|place| place.context.clone())).flatten()
}

/// Whether what is recorded of `span` will be told.
pub fn is_recorded(span: &Span) -> bool {
    with_record(span, |_layer, record| record.is_sampled()).unwrap_or(false)
}

/// The trace of a task that the request of `span` makes.
pub fn task_of(span: &Span) -> Option<TaskTrace> {
    let request = context(span)?;
    Some(TaskTrace { context: request.at(new_span_id()), parent: request.span_id })
}

fn put(span: &Span, place: impl FnOnce(&TraceLayer) -> Place) {
    let put = with_record(span, |layer, record| {
        let place = place(layer);
        let trace_id = place.context.trace_id;
        record.place = Some(place);
        trace_id
    });
    if let Some(trace_id) = put {
        // For the log lines in it.
        span.record("trace_id", tracing::field::display(format_args!("{trace_id:032x}")));
    }
}

fn with_record<T>(span: &Span, look: impl FnOnce(&TraceLayer, &mut Record) -> T) -> Option<T> {
    let found = |(id, dispatch): (&tracing::span::Id, &Dispatch)| {
        let layer = dispatch.downcast_ref::<TraceLayer>()?;
        let span = dispatch.downcast_ref::<Registry>()?.span(id)?;
        let mut extensions = span.extensions_mut();
        extensions.get_mut::<Record>().map(|record| look(layer, record))
    };
    span.with_subscriber(found).flatten()
}

fn new_span_id() -> NonZeroU64 {
    NonZeroU64::new(fastrand::u64(1..)).expect("the range has no zero")
}

#[cfg(test)]
mod tests;
