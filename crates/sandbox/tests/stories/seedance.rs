//! The video tasks of BytePlus ModelArk and Volcengine Ark.

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::client::House;

const TASKS: &str = "/api/v3/contents/generations/tasks";

fn order(prompt: &str) -> Value {
    json!({ "model": "seedance-1-0-pro-250528", "content": [{ "type": "text", "text": prompt }] })
}

async fn submitted(house: &House, prompt: &str) -> String {
    let submitted = house.post(TASKS, &order(prompt)).await.json();
    format!("{TASKS}/{}", submitted["id"].as_str().unwrap())
}

async fn ended(house: &House, prompt: &str) -> Value {
    let path = submitted(house, prompt).await;
    let is_end = |reply: &Value| matches!(reply["status"].as_str(), Some("succeeded" | "failed"));
    house.until(&path, |reply| is_end(reply).then(|| reply.clone())).await
}

#[tokio::test]
async fn a_clip_is_ordered_watched_and_fetched() {
    let house = House::with_faults("").await;
    let task = ended(&house, "a cat").await;
    assert_eq!((&task["status"], &task["error"]), (&json!("succeeded"), &Value::Null));
    let clip = house.get(task["content"]["video_url"].as_str().unwrap()).await;
    assert_eq!(clip.headers[header::CONTENT_TYPE], "video/mp4");
}

#[tokio::test]
async fn a_task_can_fail_in_two_ways() {
    let house = House::with_faults("").await;
    for (word, code) in [("fail", "InternalServiceError"), ("policy", "OutputVideoSensitiveContentDetected")]
    {
        let task = ended(&house, &format!("a cat [sandbox:{word}]")).await;
        assert_eq!((&task["status"], &task["error"]["code"]), (&json!("failed"), &json!(code)));
        assert!(task["content"].is_null());
    }
}

#[tokio::test]
async fn a_task_that_waits_can_be_stopped_and_one_at_work_can_not() {
    let house = House::with_faults("").await;
    let delete = async |path: &str| {
        let reply = house.call(house.request(Method::DELETE, path, "")).await.unwrap();
        (reply.status, reply.json()["error"]["code"].clone())
    };
    let waiting = submitted(&house, "a cat [sandbox:slow=3600s]").await;
    assert_eq!(house.get(&waiting).await.json()["status"], "queued");
    assert_eq!(delete(&waiting).await, (StatusCode::OK, Value::Null));
    assert_eq!(house.get(&waiting).await.json()["status"], "cancelled");
    let not_twice = (StatusCode::BAD_REQUEST, json!("InvalidParameter"));
    assert_eq!(delete(&waiting).await, not_twice);
    let running = submitted(&house, "a cat [sandbox:never,slow=10ms]").await;
    house.until(&running, |reply| (reply["status"] == "running").then_some(())).await;
    assert_eq!(delete(&running).await, not_twice);
    assert_eq!(house.get(&running).await.json()["status"], "running");
    let unknown = (StatusCode::NOT_FOUND, json!("ResourceNotFound"));
    assert_eq!(delete(&format!("{TASKS}/cgt-none")).await, unknown);
}

#[tokio::test]
async fn refusals_have_a_status_and_a_code() {
    let house = House::with_faults("").await;
    let said = async |request| {
        let reply = house.call(request).await.unwrap();
        (reply.status.as_u16(), reply.json()["error"]["code"].as_str().unwrap().to_owned())
    };
    let post = |body: &str| house.request(Method::POST, TASKS, body.to_owned());
    assert_eq!(said(post("{")).await, (400, "InvalidParameter".to_owned()));
    assert_eq!(said(post(r#"{"model":"veo3"}"#)).await, (400, "InvalidParameter".to_owned()));
    let none = house.request(Method::GET, &format!("{TASKS}/none"), "");
    assert_eq!(said(none).await, (404, "ResourceNotFound".to_owned()));
    let mut without_key = post(&order("a cat").to_string());
    without_key.headers_mut().remove(header::AUTHORIZATION);
    assert_eq!(said(without_key).await, (401, "AuthenticationError".to_owned()));
    assert_eq!(house.ledger().await["entries"], json!([]), "nothing was accepted");
}
