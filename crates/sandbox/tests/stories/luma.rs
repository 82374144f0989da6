//! Luma's Dream Machine.

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::client::House;

const GENERATIONS: &str = "/dream-machine/v1/generations";

async fn submit(house: &House, prompt: &str) -> String {
    let submitted =
        house.post(&format!("{GENERATIONS}/video"), &json!({ "model": "ray-2", "prompt": prompt })).await;
    assert_eq!((submitted.status, &submitted.json()["state"]), (StatusCode::CREATED, &json!("queued")));
    format!("{GENERATIONS}/{}", submitted.json()["id"].as_str().unwrap())
}

async fn finished(house: &House, path: &str) -> Value {
    let is_end = |state: &Value| state == "completed" || state == "failed";
    house.until(path, |task| is_end(&task["state"]).then(|| task.clone())).await
}

#[tokio::test]
async fn a_clip_is_ordered_watched_fetched_and_enlarged() {
    let house = House::with_faults("").await;
    let path = submit(&house, "a cat").await;
    let done = finished(&house, &path).await;
    let clip = house.get(done["assets"]["video"].as_str().unwrap()).await;
    assert_eq!(clip.headers[header::CONTENT_TYPE], "video/mp4");
    let larger = house.post(&format!("{path}/upscale"), &json!({ "resolution": "4k" })).await.json();
    let larger = finished(&house, &format!("{GENERATIONS}/{}", larger["id"].as_str().unwrap())).await;
    assert_eq!(larger["state"], "completed");
}

#[tokio::test]
async fn a_task_at_work_has_no_assets() {
    let house = House::with_faults("").await;
    let path = submit(&house, "a cat [sandbox:never,slow=10ms]").await;
    let running = house.until(&path, |task| (task["state"] == "dreaming").then(|| task.clone())).await;
    assert_eq!((&running["assets"], &running["failure_reason"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_failure_has_a_reason() {
    let house = House::with_faults("").await;
    for (word, said) in [("fail", "failed"), ("policy", "moderation")] {
        let path = submit(&house, &format!("a cat [sandbox:{word}]")).await;
        let failed = finished(&house, &path).await;
        assert!(failed["failure_reason"].as_str().unwrap().contains(said), "{failed}");
    }
}

#[tokio::test]
async fn refusals_have_a_detail() {
    let house = House::with_faults("").await;
    let said = async |request| {
        let reply = house.call(request).await.unwrap();
        assert!(!reply.json()["detail"].is_null());
        reply.status.as_u16()
    };
    let post = |body: &str| house.request(Method::POST, GENERATIONS, body.to_owned());
    assert_eq!(said(post("{")).await, 422);
    assert_eq!(said(post(r#"{"model":"ray-2","prompt":"a","seed":1}"#)).await, 400);
    assert_eq!(said(house.request(Method::GET, &format!("{GENERATIONS}/none"), "")).await, 404);
    let mut without_key = post(r#"{"model":"ray-2","prompt":"a"}"#);
    without_key.headers_mut().remove(header::AUTHORIZATION);
    assert_eq!(said(without_key).await, 401);
    assert_eq!(house.ledger().await["entries"], json!([]), "nothing was accepted");
}
