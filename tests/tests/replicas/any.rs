//! Any replica answers anything: polls, waits, event streams, callbacks of upstreams, downloads; and limits hold over all.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::client::filled;
use tests::config::{image, model, video};
use tests::crowd::{count, create_at_once};
use tests::event_stream::EventStream;
use tests::eventually;
use tests::house::Fleet;

fn nothing(_config: &mut Value) {}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_of_one_is_a_task_of_all() {
    let fleet = Fleet::start("", nothing).await;
    let [one, other, third] = &fleet.gateways[..] else { panic!("three gateways") };
    let id = one.create("images", &image("for all [sandbox:slow=2s]")).await;

    let mut stream = EventStream::open(other, &id, None).await;
    let first = stream.next().await.expect("a whole stream").expect("an event");
    drop(stream);
    let resumed = EventStream::open(third, &id, Some(first.id)).await.rest().await;
    assert!(resumed.iter().all(|event| event.id > first.id), "{first:?}, {resumed:?}");
    assert_eq!(resumed.last().map(|event| &event.data["status"]), Some(&json!("SUCCESS")), "{resumed:?}");

    let waited = one.create("images", &image("for one [sandbox:slow=1s]")).await;
    let reply = other.client().get(&format!("/v2/images/generations/{waited}?wait=100")).await;
    assert_eq!(reply.json()["status"], "SUCCESS", "it came when the task had ended elsewhere: {reply:?}");

    for gateway in &fleet.gateways {
        let task = gateway.poll("images", &id).await;
        assert_eq!(task["status"], "SUCCESS", "{task}");
        let path =
            task["data"]["output"].as_str().expect("an output").split("/assets/").nth(1).expect("ours");
        let file = gateway.client().without_key().get(&format!("/assets/{path}")).await;
        assert_eq!(file.status, StatusCode::OK);
        assert!(!file.body.is_empty());
    }
    let again = other.client().post_request("/v2/images/generations", image("once").to_string());
    let key = |mut request: http::Request<_>| {
        request.headers_mut().insert("idempotency-key", "one-key".parse().expect("a header"));
        request
    };
    let told = other.client().call(key(again)).await.json();
    let told_again = third.client().post_request("/v2/images/generations", image("once").to_string());
    assert_eq!(third.client().call(key(told_again)).await.json()["task_id"], told["task_id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_one_made_is_known_to_all() {
    let fleet = Fleet::start("", nothing).await;
    let id = fleet.gateways[0].create("videos", &video("[sandbox:slow=60s]", model::KIE_VIDEO)).await;
    let url = eventually("the upstream was told where to call", async || {
        let ledger = fleet.sandbox.ledger().await;
        ledger.entries().first().and_then(|entry| entry["body"]["callBackUrl"].as_str().map(str::to_owned))
    })
    .await;
    let (_, path) = url.split_once("/callbacks/").expect("an address of ours");
    for (number, gateway) in fleet.gateways.iter().enumerate() {
        let body = json!({ "code": 200, "data": { "taskId": format!("number {number}") } }).to_string();
        let request = gateway.client().without_key().request(Method::POST, &format!("/callbacks/{path}"));
        let reply = gateway.client().call(filled(request, body)).await;
        assert_eq!(reply.status, StatusCode::OK, "replica {number}, task {id}: {reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_3000_tasks_at_once_1000_are_accepted() {
    let fleet = Fleet::start("", |config| {
        config["accounts"][1]["concurrent_tasks"] = json!(1);
        config["accounts"][1]["poll"] = json!({ "first": "1h", "shortest": "1h", "longest": "1h" });
        config["limits"]["requests_per_minute"] = json!(10_000_000);
    })
    .await;
    let replies = create_at_once(&fleet.gateways.iter().collect::<Vec<_>>(), 3_000).await;
    let odd = replies.iter().find(|reply| !matches!(reply.status.as_u16(), 200 | 429));
    assert_eq!(count(&replies, StatusCode::OK), 1_000);
    assert_eq!(count(&replies, StatusCode::TOO_MANY_REQUESTS), 2_000, "{odd:?}");
    assert_eq!(fleet.unfinished(), 1_000);
}
