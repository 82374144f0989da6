//! Clients' own servers are told how tasks ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domain::{Callback, FailureKind, Task};
use store::{Deliveries, DeliveryState};
use tasks::Deliverer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::good;
use crate::stage::{PATIENCE, Stage, account, client, draft};
use crate::upstream::{Answer, Upstream};

/// Stops the deliverer when the story ends.
struct Delivering(AbortHandle);

impl Drop for Delivering {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn deliver(stage: &Stage) -> Delivering {
    let deliverer = Deliverer::new(Arc::clone(&stage.shared));
    Delivering(tokio::spawn(deliverer.run(std::future::pending())).abort_handle())
}

async fn accept(stage: &Stage, listener: &str) -> Task {
    let mut draft = draft();
    draft.callback = Some(Callback { url: format!("{listener}/done"), events: vec![] });
    stage.service.create(&client("owner"), "v2", draft, None).await.unwrap().task
}

/// Waits until so many messages are in that state.
async fn until(stage: &Stage, state: DeliveryState, count: usize) -> Vec<store::Delivery> {
    let look = async {
        loop {
            let deliveries = stage.store.deliveries(state, 100).await.unwrap();
            if deliveries.len() >= count {
                return deliveries;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("the messages get there")
}

async fn listener(answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Upstream {
    Upstream::start(move |_call, seen| answer(seen)).await
}

#[tokio::test]
async fn an_end_is_told_in_the_words_of_a_poll() {
    let (up, listener) = (good().await, listener(|_| Answer::json(200, "{}")).await);
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    let (_worker, _deliverer) = (stage.work(), deliver(&stage));
    let task = accept(&stage, &listener.url).await;
    let told = until(&stage, DeliveryState::Delivered, 1).await.remove(0);
    assert_eq!((&told.task, told.tries), (&task.id, 1));
    let body: serde_json::Value = serde_json::from_slice(&told.message.body).unwrap();
    assert_eq!((&body["task_id"], &body["status"]), (&task.id.as_str().into(), &"SUCCESS".into()));
    assert_eq!(listener.seen("POST /done"), 1);
}

#[tokio::test]
async fn a_listener_that_fails_is_told_again_and_a_dead_message_can_be_replayed() {
    let (up, listener) =
        (good().await, listener(|seen| Answer::json(if seen <= 4 { 500 } else { 204 }, "{}")).await);
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    let (_worker, _deliverer) = (stage.work(), deliver(&stage));
    accept(&stage, &listener.url).await;
    let dead = until(&stage, DeliveryState::Dead, 1).await.remove(0);
    assert_eq!((dead.tries, dead.last_error.as_deref()), (4, Some("status 500")));
    assert_eq!(stage.store.replay_deliveries(None).await.unwrap(), 1);
    let told = until(&stage, DeliveryState::Delivered, 1).await.remove(0);
    assert_eq!(told.message, dead.message, "not a byte has changed");
    assert_eq!(listener.seen("POST /done"), 5);
}

/// A listener that takes its time, and how many it made wait at most.
async fn slow(answers: bool) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (waiting, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let peak = Arc::clone(&most);
    tokio::spawn(async move {
        while let Ok((mut stream, _peer)) = listener.accept().await {
            let (waiting, peak) = (Arc::clone(&waiting), Arc::clone(&peak));
            tokio::spawn(async move {
                peak.fetch_max(waiting.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let mut request = [0; 4096];
                let _head = stream.read(&mut request).await.unwrap();
                if !answers {
                    std::future::pending::<()>().await;
                }
                // Unlike long times, so that tries end one by one.
                tokio::time::sleep(Duration::from_millis(fastrand::u64(20..80))).await;
                waiting.fetch_sub(1, Ordering::SeqCst);
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                stream.write_all(answer).await.unwrap();
            });
        }
    });
    (url, most)
}

#[tokio::test]
async fn one_host_has_only_so_many_tries_at_one_time() {
    let (up, (slow, most)) = (good().await, slow(true).await);
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    for _message in 0..9 {
        accept(&stage, &slow).await;
    }
    let _worker = stage.work();
    until(&stage, DeliveryState::Waiting, 9).await;
    let _deliverer = deliver(&stage);
    until(&stage, DeliveryState::Delivered, 9).await;
    assert_eq!(most.load(Ordering::SeqCst), 2, "`per_host_max` of the stage");
}

#[tokio::test]
async fn a_receiver_that_never_answers_delays_nobody_else() {
    let (up, (stuck, _most), listener) =
        (good().await, slow(false).await, listener(|_| Answer::json(200, "{}")).await);
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    for _message in 0..9 {
        accept(&stage, &stuck).await;
    }
    let _worker = stage.work();
    until(&stage, DeliveryState::Waiting, 9).await;
    accept(&stage, &listener.url).await;
    let _deliverer = deliver(&stage);
    let told = until(&stage, DeliveryState::Delivered, 1).await.remove(0);
    assert!(told.message.url.starts_with(&listener.url), "the youngest is told first");
}

#[tokio::test]
async fn a_redirect_is_no_delivery() {
    let (up, listener) = (good().await, listener(|_| Answer::json(307, "{}")).await);
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    let (_worker, _deliverer) = (stage.work(), deliver(&stage));
    accept(&stage, &listener.url).await;
    assert_eq!(until(&stage, DeliveryState::Dead, 1).await[0].last_error.as_deref(), Some("status 307"));
}

#[tokio::test]
async fn a_message_waits_until_somebody_delivers() {
    let (up, listener) = (good().await, listener(|_| Answer::json(200, "{}")).await);
    let stage = Stage::new(vec![account("a", &up.url)]).await;
    let task = accept(&stage, &listener.url).await;
    let _worker = stage.work();
    stage.ended(&task.id).await;
    assert_eq!(listener.calls(), 0, "nobody delivers yet");
    let _deliverer = deliver(&stage);
    until(&stage, DeliveryState::Delivered, 1).await;
    assert_eq!(listener.seen("POST /done"), 1);
}

#[tokio::test]
async fn a_listener_inside_or_without_a_secure_way_is_refused_at_once() {
    let closed = Stage::with(vec![account("a", "http://127.0.0.1:1")], |settings| {
        settings.callbacks.allow_http = false;
    })
    .await;
    for url in ["http://127.0.0.1:1/done", "http://example.com/done", "https://10.0.0.1/done", "done"] {
        let mut draft = draft();
        draft.callback = Some(Callback { url: url.into(), events: vec![] });
        let refused = closed.service.create(&client("owner"), "v2", draft, None).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::InvalidRequest, "{url}");
        assert_eq!(refused.field.as_deref(), Some("callback_url"));
    }
}
