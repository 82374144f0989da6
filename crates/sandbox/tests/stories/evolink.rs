//! EvoLink's API, behind its name, since others have the same paths.

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::client::House;

const SUBMIT: &str = "/evolink/v1/videos/generations";

async fn finished(house: &House, path: &str, body: &Value) -> Value {
    let submitted = house.post(path, body).await;
    assert_eq!(submitted.status, StatusCode::OK, "{submitted:?}");
    let submitted = submitted.json();
    assert_eq!((&submitted["status"], &submitted["progress"]), (&json!("pending"), &json!(0)));
    let path = format!("/evolink/v1/tasks/{}", submitted["id"].as_str().unwrap());
    let is_end = |reply: &Value| reply["status"] == "completed" || reply["status"] == "failed";
    let ended = house.until(&path, |reply| is_end(reply).then(|| reply.clone())).await;
    for name in ["id", "object", "type"] {
        assert_eq!(ended[name], submitted[name], "{name}");
    }
    ended
}

#[tokio::test]
async fn every_kind_is_ordered_watched_and_fetched() {
    let house = House::with_faults("").await;
    for (scope, model, word, media_type) in [
        ("videos", "veo3.1-fast", "video", "video/mp4"),
        ("images", "gemini-2.5-flash-image", "image", "image/png"),
        ("audios", "suno-v4", "audio", "audio/wav"),
    ] {
        let path = format!("/evolink/v1/{scope}/generations");
        let done = finished(&house, &path, &json!({ "model": model, "prompt": "a cat" })).await;
        assert_eq!((&done["status"], &done["progress"]), (&json!("completed"), &json!(100)));
        assert_eq!(done["object"], format!("{word}.generation.task"));
        assert_eq!((&done["model"], &done["error"]), (&json!(model), &Value::Null));
        assert!(done["created"].as_u64().unwrap() > 1_700_000_000, "seconds: {done}");
        let media = house.get(done["results"][0].as_str().unwrap()).await;
        assert_eq!(media.headers[header::CONTENT_TYPE], media_type);
    }
}

#[tokio::test]
async fn a_task_at_work_has_no_results() {
    let house = House::with_faults("").await;
    let order = json!({ "model": "veo3.1-pro", "prompt": "a cat [sandbox:never,slow=10ms]" });
    let submitted = house.post(SUBMIT, &order).await.json();
    let path = format!("/evolink/v1/tasks/{}", submitted["id"].as_str().unwrap());
    let running = house.until(&path, |poll| (poll["status"] == "processing").then(|| poll.clone())).await;
    assert!((1..100).contains(&running["progress"].as_u64().unwrap()), "{running}");
    assert_eq!((&running["results"], &running["error"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_failure_is_http_200_with_a_word() {
    let house = House::with_faults("").await;
    for (word, code) in [("fail", "service_error"), ("policy", "content_policy_violation")] {
        let order = json!({ "model": "veo3.1-fast", "prompt": format!("a cat [sandbox:{word}]") });
        let failed = finished(&house, SUBMIT, &order).await;
        assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!(code)));
        assert_eq!(failed["results"], Value::Null);
    }
}

#[tokio::test]
async fn refusals_have_a_status_and_a_type() {
    let house = House::with_faults("").await;
    let said = async |request| {
        let reply = house.call(request).await.unwrap();
        let body = reply.json();
        assert_eq!(body["error"]["code"], reply.status.as_u16(), "{body}");
        (reply.status.as_u16(), body["error"]["type"].as_str().unwrap().to_owned())
    };
    let post = |body: &str| house.request(Method::POST, SUBMIT, body.to_owned());
    assert_eq!(said(post("{")).await, (400, "invalid_request_error".into()));
    assert_eq!(said(post(r#"{"model":"veo9","prompt":"a"}"#)).await, (400, "invalid_request_error".into()));
    let mut without_key = post(r#"{"model":"veo3.1-fast","prompt":"a"}"#);
    without_key.headers_mut().remove(header::AUTHORIZATION);
    assert_eq!(said(without_key).await, (401, "authentication_error".into()));
    let unknown = house.request(Method::GET, "/evolink/v1/tasks/task-unified-1", "");
    assert_eq!(said(unknown).await, (404, "not_found_error".into()));
    assert_eq!(house.ledger().await["entries"], json!([]), "nothing was accepted");
}

#[tokio::test]
async fn a_file_is_taken_in_three_ways() {
    const PATHS: &str = "/evolink/api/v1/files/upload";
    let house = House::with_faults("").await;
    let sent = house.send_file(&format!("{PATHS}/stream"), &[]).await.json();
    assert_eq!((&sent["success"], &sent["data"]["file_name"]), (&json!(true), &json!("cat.png")));
    assert!(sent["data"]["file_url"].as_str().unwrap().starts_with("http://"), "{sent}");
    let base64 = json!({ "base64_data": "iVBORw0KGgo=", "file_name": "a.png" });
    assert_eq!(house.post(&format!("{PATHS}/base64"), &base64).await.json()["data"]["file_name"], "a.png");
    let url = json!({ "file_url": "https://example.com/a.png" });
    assert_eq!(house.post(&format!("{PATHS}/url"), &url).await.status, StatusCode::OK);
    for (path, wrong) in [("stream", &url), ("base64", &url), ("url", &base64)] {
        let refused = house.post(&format!("{PATHS}/{path}"), wrong).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(refused.json()["error"]["type"], "invalid_request_error");
    }
}
