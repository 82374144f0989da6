//! fal's queue.

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::client::{House, POLL_INTERVAL, POLLS_MAX, Reply};

const MODEL: &str = "/fal-ai/veo3.1/fast";

/// A call with a key as fal has it.
async fn ask(house: &House, method: Method, path: &str, body: &str) -> Reply {
    let mut request = house.request(method, path, body.to_owned());
    request.headers_mut().insert(header::AUTHORIZATION, "Key some-key".parse().unwrap());
    house.call(request).await.unwrap()
}

async fn submit(house: &House, prompt: &str) -> Value {
    let reply = ask(house, Method::POST, MODEL, &json!({ "prompt": prompt }).to_string()).await;
    assert_eq!(reply.status, StatusCode::OK);
    reply.json()
}

/// The status once it says that the request has ended.
async fn completed(house: &House, submitted: &Value) -> Value {
    let url = submitted["status_url"].as_str().unwrap();
    let mut ticks = tokio::time::interval(POLL_INTERVAL);
    for _ in 0..POLLS_MAX {
        ticks.tick().await;
        let reply = ask(house, Method::GET, url, "").await;
        let body = reply.json();
        assert_eq!(reply.status == StatusCode::OK, body["status"] == "COMPLETED", "{body}");
        if reply.status == StatusCode::OK {
            return body;
        }
    }
    panic!("{url} never completed");
}

async fn result(house: &House, submitted: &Value) -> Reply {
    ask(house, Method::GET, submitted["response_url"].as_str().unwrap(), "").await
}

#[tokio::test]
async fn a_clip_is_ordered_watched_and_fetched_by_the_addresses_in_the_answers() {
    let house = House::with_faults("").await;
    let submitted = submit(&house, "a cat").await;
    assert_eq!(submitted["status"], "IN_QUEUE");
    let id = submitted["request_id"].as_str().unwrap();
    let url = format!("http://{}/fal-ai/veo3.1/requests/{id}", house.sandbox.addr());
    assert_eq!(submitted["response_url"], url, "the model's sub-path is dropped");
    assert_eq!(completed(&house, &submitted).await["error"], Value::Null);
    let result = result(&house, &submitted).await;
    assert_eq!(result.status, StatusCode::OK);
    let clip = house.get(result.json()["video"]["url"].as_str().unwrap()).await;
    assert_eq!((clip.status, &clip.body[4..8]), (StatusCode::OK, &b"ftyp"[..]));
}

#[tokio::test]
async fn behind_its_name_the_addresses_are_there_too() {
    let house = House::with_faults("").await;
    let reply = ask(&house, Method::POST, "/fal/fal-ai/veo3.1", r#"{"prompt":"a"}"#).await;
    let url = reply.json()["status_url"].as_str().unwrap().to_owned();
    assert!(url.contains("/fal/fal-ai/veo3.1/requests/"), "{url}");
    assert!(ask(&house, Method::GET, &url, "").await.status.is_success());
}

#[tokio::test]
async fn a_request_at_work_has_no_result() {
    let house = House::with_faults("").await;
    let submitted = submit(&house, "a cat [sandbox:slow=3600s]").await;
    let status = ask(&house, Method::GET, submitted["status_url"].as_str().unwrap(), "").await;
    assert_eq!((status.status, &status.json()["status"]), (StatusCode::ACCEPTED, &json!("IN_QUEUE")));
    let result = result(&house, &submitted).await;
    assert_eq!(result.status, StatusCode::BAD_REQUEST);
    assert_eq!(result.json()["detail"], "Request is still in progress");
}

#[tokio::test]
async fn a_request_can_fail_in_two_ways() {
    let house = House::with_faults("").await;
    let failed = submit(&house, "a cat [sandbox:fail]").await;
    assert_eq!(completed(&house, &failed).await["error_type"], "runner_disconnected");
    assert_eq!(result(&house, &failed).await.status, StatusCode::SERVICE_UNAVAILABLE);
    let refused = submit(&house, "a cat [sandbox:policy]").await;
    assert_eq!(completed(&house, &refused).await["error"], Value::Null, "the result tells it");
    let said = result(&house, &refused).await;
    assert_eq!(said.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(said.json()["detail"][0]["type"], "content_policy_violation");
}

#[tokio::test]
async fn a_request_at_work_can_be_stopped_and_one_that_has_ended_cannot() {
    let house = House::with_faults("").await;
    let cancel = async |submitted: &Value| {
        let reply = ask(&house, Method::PUT, submitted["cancel_url"].as_str().unwrap(), "").await;
        (reply.status, reply.json()["status"].clone())
    };
    let at_work = submit(&house, "a cat [sandbox:slow=3600s]").await;
    assert_eq!(cancel(&at_work).await, (StatusCode::ACCEPTED, json!("CANCELLATION_REQUESTED")));
    assert_eq!(completed(&house, &at_work).await["error_type"], "client_cancelled");
    let said = result(&house, &at_work).await;
    assert_eq!((said.status.as_u16(), &said.json()["error_type"]), (499, &json!("client_cancelled")));
    let ended = submit(&house, "a cat").await;
    completed(&house, &ended).await;
    assert_eq!(cancel(&ended).await, (StatusCode::BAD_REQUEST, json!("ALREADY_COMPLETED")));
    assert_eq!(result(&house, &ended).await.status, StatusCode::OK);
    let missing = ask(&house, Method::PUT, "/fal-ai/veo3.1/requests/none/cancel", "").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    let elsewhere = format!("/fal-ai/veo3/requests/{}", at_work["request_id"].as_str().unwrap());
    assert_eq!(ask(&house, Method::GET, &elsewhere, "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn refusals_have_the_status_of_their_kind_and_a_detail() {
    let house = House::with_faults("").await;
    let said = async |method, path: &str, body: &str| {
        let reply = ask(&house, method, path, body).await;
        assert!(!reply.json()["detail"].is_null(), "{reply:?}");
        reply.status
    };
    assert_eq!(said(Method::POST, MODEL, "{").await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(said(Method::POST, MODEL, "{}").await, StatusCode::UNPROCESSABLE_ENTITY);
    let missing = "/fal-ai/veo3.1/requests/none/status";
    assert_eq!(said(Method::GET, missing, "").await, StatusCode::NOT_FOUND);
    let submitted = submit(&house, "a cat").await;
    let elsewhere = format!("/fal-ai/veo3/requests/{}", submitted["request_id"].as_str().unwrap());
    assert_eq!(said(Method::GET, &elsewhere, "").await, StatusCode::NOT_FOUND, "another app's request");
    let bearer = house.post(MODEL, &json!({ "prompt": "a" })).await;
    assert_eq!(bearer.status, StatusCode::UNAUTHORIZED, "a key is behind Key, not behind Bearer");
}
