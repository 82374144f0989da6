//! apixo's API.

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::client::House;

const SUBMIT: &str = "/api/v1/generateTask/veo-3-1";

fn order(prompt: &str) -> Value {
    json!({
        "request_type": "async",
        "input": { "mode": "fast", "prompt": prompt, "generationType": "TEXT_2_VIDEO", "aspect_ratio": "16:9" }
    })
}

async fn submitted(house: &House, path: &str, body: &Value) -> String {
    let reply = house.post(path, body).await.json();
    assert_eq!((&reply["code"], &reply["message"]), (&json!(200), &json!("success")));
    reply["data"]["taskId"].as_str().unwrap().to_owned()
}

async fn finished(house: &House, model: &str, id: &str) -> Value {
    let path = format!("/api/v1/statusTask/{model}?taskId={id}");
    let is_end = |reply: &Value| reply["data"]["state"] == "success" || reply["data"]["state"] == "failed";
    house.until(&path, |reply| is_end(reply).then(|| reply["data"].clone())).await
}

fn result(data: &Value) -> String {
    let results: Value = serde_json::from_str(data["resultJson"].as_str().unwrap()).unwrap();
    results["resultUrls"][0].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_clip_is_ordered_watched_and_fetched() {
    let house = House::with_faults("").await;
    let id = submitted(&house, SUBMIT, &order("a cat")).await;
    let data = finished(&house, "veo-3-1", &id).await;
    assert_eq!((&data["state"], &data["taskId"]), (&json!("success"), &json!(id)));
    assert_eq!(
        data["completeTime"].as_u64().unwrap() - data["createTime"].as_u64().unwrap(),
        data["costTime"].as_u64().unwrap()
    );
    let clip = house.get(&result(&data)).await;
    assert_eq!(clip.headers[header::CONTENT_TYPE], "video/mp4");
    assert_eq!(&clip.body[4..8], b"ftyp");
}

#[tokio::test]
async fn a_picture_is_ordered_and_fetched() {
    let house = House::with_faults("").await;
    let body = json!({ "input": { "mode": "text-to-image", "prompt": "a cafe", "aspect_ratio": "1:1" } });
    let id = submitted(&house, "/api/v1/generateTask/nano-banana", &body).await;
    let data = finished(&house, "nano-banana", &id).await;
    assert_eq!(house.get(&result(&data)).await.headers[header::CONTENT_TYPE], "image/png");
}

#[tokio::test]
async fn a_task_at_work_says_nothing_but_so() {
    let house = House::with_faults("").await;
    let id = submitted(&house, SUBMIT, &order("a cat [sandbox:slow=3600s]")).await;
    let data = house.get(&format!("/api/v1/statusTask/veo-3-1?taskId={id}")).await.json()["data"].clone();
    assert_eq!(data["state"], "pending");
    assert_eq!((&data["resultJson"], &data["completeTime"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_poll_needs_the_model_of_the_task() {
    let house = House::with_faults("").await;
    let id = submitted(&house, SUBMIT, &order("a cat")).await;
    for path in ["veo-3-1?taskId=none".to_owned(), "veo-3-1".to_owned(), format!("nano-banana?taskId={id}")] {
        let reply = house.get(&format!("/api/v1/statusTask/{path}")).await;
        assert_eq!((reply.status, &reply.json()["code"]), (StatusCode::NOT_FOUND, &json!(404)), "{path}");
    }
}

#[tokio::test]
async fn a_task_can_fail_in_two_ways() {
    let house = House::with_faults("").await;
    for (prompt, code) in
        [("a cat [sandbox:fail]", "GENERATION_FAILED"), ("a cat [sandbox:policy]", "CONTENT_VIOLATION")]
    {
        let id = submitted(&house, SUBMIT, &order(prompt)).await;
        let data = finished(&house, "veo-3-1", &id).await;
        assert_eq!((&data["state"], &data["failCode"]), (&json!("failed"), &json!(code)));
        assert!(data["failMsg"].is_string() && data["resultJson"].is_null(), "{data}");
    }
}

#[tokio::test]
async fn a_refusal_says_its_status_twice_and_accepts_nothing() {
    let house = House::with_faults("").await;
    let refused = async |path: &str, body: &str, key: bool| {
        let mut request = house.request(Method::POST, path, body.to_owned());
        if !key {
            request.headers_mut().remove(header::AUTHORIZATION);
        }
        let reply = house.call(request).await.unwrap();
        assert_eq!(reply.json()["code"], reply.status.as_u16());
        reply.status.as_u16()
    };
    let good = order("a").to_string();
    assert_eq!(refused(SUBMIT, "{", true).await, 400);
    assert_eq!(refused(SUBMIT, r#"{"input":{"prompt":"a"}}"#, true).await, 400);
    assert_eq!(refused(SUBMIT, &order("a [sandbox:explode]").to_string(), true).await, 400);
    assert_eq!(refused(SUBMIT, &good, false).await, 401);
    assert_eq!(refused("/api/v1/generateTask/veo-9", &good, true).await, 404);
    assert_eq!(house.ledger().await["entries"], json!([]));
}
