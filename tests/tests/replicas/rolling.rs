//! Replicas are replaced one after the other while clients go on: nobody notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use tests::client::filled;
use tests::config::image;
use tests::house::{Fleet, REPLICAS};
use tests::{Client, figures};

/// Restarts in the short run and in the long one.
const SHORT: usize = 4;
const LONG: usize = 20;
/// Clients that ask one request after the other, each time on a new connection.
const CLIENTS: usize = 4;

/// What clients saw.
#[derive(Default)]
struct Seen {
    requests: AtomicUsize,
    failures: std::sync::Mutex<Vec<String>>,
    is_over: AtomicBool,
}

impl Seen {
    async fn call(
        &self,
        client: &Client,
        method: Method,
        path: &str,
        body: &str,
    ) -> Option<serde_json::Value> {
        let request = client
            .request(method, path)
            .header(http::header::CONNECTION, "close")
            .header(http::header::CONTENT_TYPE, "application/json");
        let reply = client.try_call(filled(request, body.to_owned())).await;
        self.requests.fetch_add(1, Ordering::Relaxed);
        let failure = match reply {
            Ok(reply) if reply.status == StatusCode::OK => return Some(reply.json()),
            Ok(reply) => format!("{path}: {reply:?}"),
            Err(error) => format!("{path}: {error:?}"),
        };
        self.failures.lock().expect("nobody panics while holding it").push(failure);
        None
    }

    /// Makes pictures and polls each until it has ended.
    async fn go_on(self: Arc<Self>, client: Client, name: usize) {
        for number in 0.. {
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            let body = image(&format!("client {name}, picture {number}")).to_string();
            let made = self.call(&client, Method::POST, "/v2/images/generations", &body).await;
            let Some(id) = made.and_then(|task| task["task_id"].as_str().map(str::to_owned)) else {
                continue;
            };
            loop {
                let path = format!("/v2/images/generations/{id}");
                let task = self.call(&client, Method::GET, &path, "").await.unwrap_or_default();
                if task["status"] == "SUCCESS" || task["status"] == "FAILURE" {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_one_after_the_other_fail_no_request_and_leave_no_doubt() {
    let restarts = if figures::is_long() { LONG } else { SHORT };
    let mut fleet = Fleet::start("submit:latency=200ms", |config| {
        config["limits"]["requests_per_minute"] = json!(10_000_000);
    })
    .await;
    let seen = Arc::new(Seen::default());
    let mut clients = tokio::task::JoinSet::new();
    for name in 0..CLIENTS {
        clients.spawn(Arc::clone(&seen).go_on(fleet.client(), name));
    }
    for number in 0..restarts {
        fleet.roll(number % REPLICAS).await;
    }
    seen.is_over.store(true, Ordering::Relaxed);
    clients.join_all().await;
    let (outcome, history) = fleet.settle().await;
    let failures = seen.failures.lock().unwrap().clone();
    let requests = seen.requests.load(Ordering::Relaxed);
    let ended = history.books.tasks.iter().filter(|task| task.state == "succeeded").count();
    figures::note(
        "rolling_restarts",
        json!({
            "n": restarts,
            "failures": failures.len() + usize::try_from(outcome.in_doubt).unwrap_or(usize::MAX)
                + outcome.verdict.failures() + (outcome.tasks - ended),
            "requests": requests,
            "failed_requests": failures.len(),
            "tasks": outcome.tasks,
            "in_doubt": outcome.in_doubt,
        }),
    );
    assert_eq!(failures, Vec::<String>::new());
    assert_eq!(outcome.in_doubt, 0, "a submission was left in doubt");
    assert_eq!(outcome.verdict.failures(), 0, "{}", outcome.verdict);
    assert_eq!((outcome.writes.stale, outcome.writes.torn), (0, 0), "{:?}", outcome.writes);
    assert_eq!(ended, outcome.tasks);
    assert!(outcome.tasks > restarts * 2, "not tested: {} tasks", outcome.tasks);
}
