//! APIMart's API, behind its name, since others have the same paths.

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::client::House;

const SUBMIT: &str = "/apimart/v1/videos/generations";

async fn submitted(house: &House, path: &str, body: &Value) -> String {
    let submitted = house.post(path, body).await;
    assert_eq!(submitted.status, StatusCode::OK, "{submitted:?}");
    let submitted = submitted.json();
    assert_eq!((&submitted["code"], &submitted["data"][0]["status"]), (&json!(200), &json!("submitted")));
    format!("/apimart/v1/tasks/{}?language=en", submitted["data"][0]["task_id"].as_str().unwrap())
}

async fn finished(house: &House, path: &str, body: &Value) -> Value {
    let path = submitted(house, path, body).await;
    let ended = house.until(&path, |reply| {
        let status = &reply["data"]["status"];
        (status == "completed" || status == "failed").then(|| reply.clone())
    });
    let ended = ended.await;
    assert_eq!(ended["code"], 200);
    ended["data"].clone()
}

#[tokio::test]
async fn both_kinds_are_ordered_watched_and_fetched() {
    let house = House::with_faults("").await;
    for (scope, model, media_type) in
        [("videos", "veo3.1-fast", "video/mp4"), ("images", "gemini-2.5-flash-image-preview", "image/png")]
    {
        let path = format!("/apimart/v1/{scope}/generations");
        let done = finished(&house, &path, &json!({ "model": model, "prompt": "a cat" })).await;
        assert_eq!((&done["status"], &done["progress"]), (&json!("completed"), &json!(100)));
        let result = &done["result"][scope][0];
        assert!(result["expires_at"].as_u64() > done["completed"].as_u64(), "{done}");
        assert!(done["created"].as_u64().unwrap() > 1_700_000_000, "seconds: {done}");
        let media = house.get(result["url"][0].as_str().unwrap()).await;
        assert_eq!(media.headers[header::CONTENT_TYPE], media_type);
    }
}

#[tokio::test]
async fn a_task_at_work_has_no_result() {
    let house = House::with_faults("").await;
    let order = json!({ "model": "veo3.1-quality", "prompt": "a cat [sandbox:never,slow=10ms]" });
    let path = submitted(&house, SUBMIT, &order).await;
    let running =
        house.until(&path, |poll| (poll["data"]["status"] == "processing").then(|| poll.clone())).await;
    assert!((1..100).contains(&running["data"]["progress"].as_u64().unwrap()), "{running}");
    assert_eq!((&running["data"]["result"], &running["data"]["error"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_failure_is_code_200_with_an_error_inside() {
    let house = House::with_faults("").await;
    for (word, code) in [("fail", 500), ("policy", 400)] {
        let order = json!({ "model": "veo3.1-fast", "prompt": format!("a cat [sandbox:{word}]") });
        let failed = finished(&house, SUBMIT, &order).await;
        assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!(code)));
        assert_eq!(failed["result"], Value::Null);
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
    let unknown = house.request(Method::GET, "/apimart/v1/tasks/task_1", "");
    assert_eq!(said(unknown).await, (404, "not_found_error".into()));
    assert_eq!(house.ledger().await["entries"], json!([]), "nothing was accepted");
}

#[tokio::test]
async fn one_path_is_two_apis_by_their_names() {
    let house = House::with_faults("").await;
    let order = json!({ "model": "veo3.1-fast", "prompt": "a cat" });
    let ours = submitted(&house, SUBMIT, &order).await;
    assert!(house.post("/evolink/v1/videos/generations", &order).await.json()["id"].is_string());
    let elsewhere = ours.replace("/apimart/", "/evolink/");
    assert_eq!(house.get(&elsewhere).await.status, StatusCode::NOT_FOUND, "a task has one API");
}

#[tokio::test]
async fn a_finished_clip_can_be_remixed() {
    let house = House::with_faults("").await;
    let done = finished(&house, SUBMIT, &json!({ "model": "veo3.1-fast", "prompt": "a cat" })).await;
    let path = format!("/apimart/v1/videos/{}/remix", done["id"].as_str().unwrap());
    let remix = json!({ "model": "veo3.1-fast", "prompt": "the same at night", "aspect_ratio": "9:16" });
    let remixed = finished(&house, &path, &remix).await;
    assert_eq!(remixed["status"], "completed");
    assert_ne!(remixed["id"], done["id"]);
    for wrong in [
        json!({ "prompt": "at night" }),
        json!({ "model": "veo3.1-fast" }),
        json!({ "model": "x", "prompt": "a" }),
    ] {
        assert_eq!(house.post(&path, &wrong).await.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let nowhere = house.post("/apimart/v1/videos/task_NONE/remix", &remix).await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_image_is_taken_as_a_form() {
    let house = House::with_faults("").await;
    let sent = house.send_file("/apimart/v1/uploads/images", &[]).await.json();
    assert_eq!((&sent["filename"], &sent["content_type"]), (&json!("cat.png"), &json!("image/png")));
    assert!(sent["url"].as_str().unwrap().starts_with("http://"), "{sent}");
    let refused = house.post("/apimart/v1/uploads/images", &json!({ "file": "cat.png" })).await;
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (StatusCode::BAD_REQUEST, &json!(400)));
}
