//! Runway's API.

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::client::{House, Reply};

const SUBMIT: &str = "/runway/v1/text_to_video";

async fn post(house: &House, body: &str) -> Reply {
    let mut request = house.request(Method::POST, SUBMIT, body.to_owned());
    request.headers_mut().insert("x-runway-version", "2024-11-06".parse().unwrap());
    house.call(request).await.unwrap()
}

async fn submit(house: &House, prompt: &str) -> String {
    let order = json!({ "model": "veo3.1_fast", "promptText": prompt, "ratio": "1280:720" });
    let submitted = post(house, &order.to_string()).await;
    assert_eq!(submitted.status, StatusCode::OK, "{submitted:?}");
    format!("/runway/v1/tasks/{}", submitted.json()["id"].as_str().unwrap())
}

async fn finished(house: &House, prompt: &str) -> Value {
    let path = submit(house, prompt).await;
    let is_end = |status: &Value| status == "SUCCEEDED" || status == "FAILED";
    house.until(&path, |task| is_end(&task["status"]).then(|| task.clone())).await
}

#[tokio::test]
async fn a_clip_is_ordered_watched_and_fetched() {
    let house = House::with_faults("").await;
    let done = finished(&house, "a cat").await;
    let clip = house.get(done["output"][0].as_str().unwrap()).await;
    assert_eq!(clip.headers[header::CONTENT_TYPE], "video/mp4");
    assert_eq!(&clip.body[4..8], b"ftyp");
}

#[tokio::test]
async fn a_task_at_work_says_its_share() {
    let house = House::with_faults("").await;
    let path = submit(&house, "a cat [sandbox:never,slow=10ms]").await;
    let running = house.until(&path, |task| (task["status"] == "RUNNING").then(|| task.clone())).await;
    let share = running["progress"].as_f64().unwrap();
    assert!(share > 0.0 && share < 1.0, "{running}");
}

#[tokio::test]
async fn a_failure_has_a_code() {
    let house = House::with_faults("").await;
    for (word, code) in [("fail", "INTERNAL."), ("policy", "SAFETY.")] {
        let failed = finished(&house, &format!("a cat [sandbox:{word}]")).await;
        assert_eq!(failed["status"], "FAILED");
        assert!(failed["failureCode"].as_str().unwrap().starts_with(code), "{failed}");
    }
}

#[tokio::test]
async fn a_task_can_be_stopped() {
    let house = House::with_faults("").await;
    let path = submit(&house, "a cat [sandbox:slow=3600s]").await;
    for _ in 0..2 {
        let stopped = house.call(house.request(Method::DELETE, &path, "")).await.unwrap();
        assert_eq!((stopped.status, stopped.body.len()), (StatusCode::NO_CONTENT, 0));
    }
    assert_eq!(house.get(&path).await.json()["status"], "CANCELLED");
}

#[tokio::test]
async fn refusals_say_what_is_wrong() {
    let house = House::with_faults("").await;
    let wrong = post(&house, r#"{"model":"veo3.1_fast","promptText":"a","ratio":"16:9"}"#).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.json()["issues"][0]["message"].as_str().unwrap().starts_with("ratio"));
    assert_eq!(house.post(SUBMIT, &json!({})).await.status, StatusCode::BAD_REQUEST, "no version");
    assert_eq!(house.get("/runway/v1/tasks/none").await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.ledger().await["entries"], json!([]), "nothing was accepted");
}
