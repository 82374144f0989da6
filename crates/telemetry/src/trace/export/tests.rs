//! What becomes of spans whose receiver does or does not answer. The clock stands still but for what is waited for.

use std::cell::RefCell;
use std::time::SystemTime;

use domain::TraceContext;
use prost::Message as _;

use super::super::record::{Place, Record};
use super::super::traces;
use super::*;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// An exporter, and what puts spans into its queue.
fn exporter(queue_max: usize) -> (Exporter, mpsc::Sender<Span>) {
    let resource = vec![("service.name".to_owned(), "filmgate".to_owned())];
    let timeout = Duration::from_secs(10);
    let (_layer, exporter) = traces(Settings { sample_ratio: 1.0, queue_max, timeout, resource }).unwrap();
    let (sender, queue) = mpsc::channel(queue_max);
    (Exporter { queue, ..exporter }, sender)
}

fn span() -> Span {
    let place = Place::child(&TraceContext::parse(PARENT, None).unwrap());
    otlp::span(Record::new("poll", Some(place)), SystemTime::now()).unwrap()
}

fn names(body: &Bytes) -> Vec<String> {
    let request = otlp::ExportRequest::decode(body.clone()).unwrap();
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).map(|span| span.name).collect()
}

fn counted(spans: &IntCounterVec) -> [u64; 4] {
    ["sent", "dropped", "failed", "rejected"].map(|outcome| spans.with_label_values(&[outcome]).get())
}

#[tokio::test(start_paused = true)]
async fn spans_are_sent_in_batches_and_the_rest_at_the_end() {
    let (exporter, sender) = exporter(2000);
    let spans = exporter.spans.clone();
    let (stop, stopped) = watch::channel(false);
    let bodies = RefCell::new(Vec::new());
    let send = |body: Bytes| {
        bodies.borrow_mut().push(names(&body).len());
        async { Ok((200, Bytes::new())) }
    };
    for _ in 0..BATCH_MAX + 1 {
        sender.try_send(span()).unwrap();
    }
    let ending = async {
        sleep(GATHER_FOR * 3).await;
        sender.try_send(span()).unwrap();
        stop.send_replace(true);
    };
    tokio::join!(exporter.run(send, stopped), ending);
    assert_eq!(*bodies.borrow(), [BATCH_MAX, 1, 1]);
    assert_eq!(counted(&spans), [BATCH_MAX as u64 + 2, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_not_taken_is_sent_again_and_then_counted_as_lost() {
    for (status, tries) in [(503, TRIES_MAX as usize), (400, 1)] {
        let (exporter, sender) = exporter(10);
        let spans = exporter.spans.clone();
        let (stop, stopped) = watch::channel(false);
        let tried = RefCell::new(0);
        let send = |_body: Bytes| {
            *tried.borrow_mut() += 1;
            async move { Ok((status, Bytes::new())) }
        };
        sender.try_send(span()).unwrap();
        let ending = async {
            sleep(Duration::from_secs(60)).await;
            stop.send_replace(true);
        };
        tokio::join!(exporter.run(send, stopped), ending);
        assert_eq!((*tried.borrow(), counted(&spans)), (tries, [0, 0, 1, 0]), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_never_answers_ends_with_its_time() {
    let (exporter, sender) = exporter(10);
    let spans = exporter.spans.clone();
    let (stop, stopped) = watch::channel(false);
    sender.try_send(span()).unwrap();
    stop.send_replace(true);
    let begun = tokio::time::Instant::now();
    exporter.run(|_body| std::future::pending::<Answer>(), stopped).await;
    assert!(begun.elapsed() <= Duration::from_secs(11), "{:?}", begun.elapsed());
    assert_eq!(counted(&spans)[0], 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_receiver_rejects_is_counted() {
    let (exporter, sender) = exporter(10);
    let spans = exporter.spans.clone();
    let (stop, stopped) = watch::channel(false);
    let partly = Some(otlp::PartialSuccess { rejected_spans: 1 });
    let answer: Bytes = otlp::ExportResponse { partial_success: partly }.encode_to_vec().into();
    sender.try_send(span()).unwrap();
    sender.try_send(span()).unwrap();
    stop.send_replace(true);
    exporter.run(|_body| std::future::ready(Ok((200, answer.clone()))), stopped).await;
    assert_eq!(counted(&spans), [1, 0, 0, 1]);
}
