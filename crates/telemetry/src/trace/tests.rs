//! Where spans stand, as the layer tells it.

use std::num::NonZeroU128;
use std::time::Duration;

use tracing::field::Empty;
use tracing::{Subscriber, info_span};
use tracing_subscriber::layer::SubscriberExt as _;

use super::otlp::{Content, Span as Told};
use super::*;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";

fn client(flags: &str) -> TraceContext {
    TraceContext::parse(&format!("{PARENT}-{flags}"), Some("vendor=1")).unwrap()
}

/// A subscriber with a layer of traces, and what it tells.
fn listening(sample_ratio: f64, queue_max: usize) -> (impl Subscriber + Send + Sync, Exporter) {
    let settings =
        Settings { sample_ratio, queue_max, timeout: Duration::from_secs(1), resource: Vec::new() };
    let (layer, exporter) = traces(settings).unwrap();
    (Registry::default().with(layer.filtered()), exporter)
}

fn told(exporter: &mut Exporter) -> Vec<Told> {
    exporter.drained()
}

fn texts(span: &Told) -> Vec<(String, String)> {
    let text = |content: &Content| match content {
        Content::Text(text) => text.clone(),
        other => format!("{other:?}"),
    };
    let content =
        |key: &otlp::KeyValue| key.value.as_ref().and_then(|value| value.content.as_ref()).map(text);
    span.attributes.iter().map(|key| (key.key.clone(), content(key).unwrap_or_default())).collect()
}

#[test]
fn a_trace_goes_on_from_the_client_to_the_end_of_its_task() {
    let (subscriber, mut exporter) = listening(0.0, 10);
    let trace = tracing::subscriber::with_default(subscriber, || {
        let request = info_span!(
            "request",
            request_id = "r",
            trace_id = Empty,
            "otel.name" = Empty,
            "otel.kind" = "server"
        );
        continue_from(&request, &client("01"));
        request.record("otel.name", "POST /v2");
        let trace = request.in_scope(|| {
            drop(info_span!("accept"));
            task_of(&request).unwrap()
        });
        drop(request);
        let step =
            info_span!("step", task_id = %"t", "otel.name" = "poll", "error.type" = Empty, percent = 7);
        continue_from(&step, &trace.context);
        let call = step.in_scope(|| info_span!("call", "otel.kind" = "client", "error.type" = Empty));
        assert_eq!(context(&call).unwrap().trace_id, client("01").trace_id);
        call.record("error.type", "timeout");
        drop(call);
        drop(step);
        let end = info_span!("generation");
        tell_task(&end, &trace, SystemTime::UNIX_EPOCH);
        trace
    });
    let spans = told(&mut exporter);
    let named = |name: &str| {
        spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:?}"))
    };
    let (request, generation) = (named("POST /v2"), named("generation"));
    assert!(spans.iter().all(|span| span.trace_id == client("01").trace_id.get().to_be_bytes()));
    assert!(spans.iter().all(|span| span.trace_state == "vendor=1"));
    assert_eq!(request.parent_span_id, client("01").span_id.get().to_be_bytes());
    assert_eq!(named("accept").parent_span_id, request.span_id);
    assert_eq!(generation.parent_span_id, request.span_id);
    assert_eq!(generation.span_id, trace.context.span_id.get().to_be_bytes());
    assert_eq!(generation.start_time_unix_nano, 0);
    assert_eq!(named("poll").parent_span_id, generation.span_id);
    assert_eq!(named("call").parent_span_id, named("poll").span_id);
    assert_eq!((request.kind, named("poll").kind, named("call").kind), (2, 1, 3));
    assert_eq!(named("call").status.as_ref().map(|status| status.code), Some(2));
    assert_eq!(named("poll").status, None);
    let poll = [("filmgate.task.id", "t"), ("filmgate.percent", "Number(7)")];
    assert_eq!(texts(named("poll")), poll.map(|(key, value)| (key.to_owned(), value.to_owned())));
}

#[test]
fn nothing_is_told_of_what_is_not_sampled() {
    for (ratio, flags) in [(1.0, Some("00")), (0.0, None)] {
        let (subscriber, mut exporter) = listening(ratio, 10);
        tracing::subscriber::with_default(subscriber, || {
            let request = info_span!("request");
            match flags {
                Some(flags) => continue_from(&request, &client(flags)),
                None => begin(&request),
            }
            let trace = task_of(&request).unwrap();
            assert!(!trace.context.is_sampled && !is_recorded(&request));
            continue_from(&info_span!("step"), &trace.context);
        });
        assert_eq!(told(&mut exporter), []);
    }
}

#[test]
fn a_span_without_a_trace_is_told_to_nobody() {
    let (subscriber, mut exporter) = listening(1.0, 10);
    tracing::subscriber::with_default(subscriber, || {
        assert!(is_on());
        let request = info_span!("request");
        assert_eq!(context(&request), None);
    });
    assert_eq!(told(&mut exporter), []);
    assert!(!is_on());
    assert_eq!(task_of(&info_span!("request")), None);
}

#[test]
fn a_share_of_new_traces_is_recorded() {
    let (layer, _exporter) =
        traces(Settings { sample_ratio: 0.25, queue_max: 1, timeout: Duration::ZERO, resource: Vec::new() })
            .unwrap();
    let recorded = (0..4000).filter(|_| layer.root().context.is_sampled).count();
    assert!((800..1200).contains(&recorded), "{recorded} of 4000");
    assert_ne!(layer.root().context.trace_id, NonZeroU128::MIN);
}

#[test]
fn a_full_queue_drops_and_counts() {
    let (subscriber, mut exporter) = listening(1.0, 2);
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..5 {
            begin(&info_span!("request"));
        }
    });
    assert_eq!(told(&mut exporter).len(), 2);
    assert_eq!(exporter.counted("dropped"), 3);
}

#[test]
fn a_long_text_is_cut_at_a_character() {
    let (subscriber, mut exporter) = listening(1.0, 2);
    tracing::subscriber::with_default(subscriber, || {
        let span = info_span!("request", model = "\u{e4}".repeat(1000));
        begin(&span);
    });
    assert_eq!(texts(&told(&mut exporter)[0]), [("filmgate.model".to_owned(), "\u{e4}".repeat(128))]);
}
