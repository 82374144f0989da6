//! Kling's own API.

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::client::House;

const SUBMIT: &str = "/v1/videos/text2video";

async fn ended(house: &House, path: &str, order: &Value) -> Value {
    let submitted = house.post(path, order).await.json();
    assert_eq!((&submitted["code"], &submitted["data"]["task_status"]), (&json!(0), &json!("submitted")));
    let path = format!("{path}/{}", submitted["data"]["task_id"].as_str().unwrap());
    let is_end = |reply: &Value| matches!(reply["data"]["task_status"].as_str(), Some("succeed" | "failed"));
    house.until(&path, |reply| is_end(reply).then(|| reply["data"].clone())).await
}

#[tokio::test]
async fn a_clip_is_ordered_watched_and_fetched_on_each_path() {
    let house = House::with_faults("").await;
    let url = "https://example.com/a.png";
    for (path, order) in [
        (SUBMIT, json!({ "model_name": "kling-v2-6", "prompt": "a cat" })),
        ("/v1/videos/image2video", json!({ "model_name": "kling-v2-1", "prompt": "a cat", "image": url })),
        (
            "/v1/videos/multi-image2video",
            json!({ "model_name": "kling-v1-6", "prompt": "a cat", "image_list": [{ "image": url }] }),
        ),
    ] {
        let task = ended(&house, path, &order).await;
        let clip = house.get(task["task_result"]["videos"][0]["url"].as_str().unwrap()).await;
        assert_eq!(clip.headers[header::CONTENT_TYPE], "video/mp4", "{path}");
    }
}

#[tokio::test]
async fn a_task_is_found_on_its_own_path_alone() {
    let house = House::with_faults("").await;
    let order = json!({ "prompt": "a cat [sandbox:never,slow=10ms]" });
    let id = house.post(SUBMIT, &order).await.json()["data"]["task_id"].as_str().unwrap().to_owned();
    let path = format!("{SUBMIT}/{id}");
    let is_running = |reply: &Value| (reply["data"]["task_status"] == "processing").then_some(());
    house.until(&path, is_running).await;
    let elsewhere = house.get(&format!("/v1/videos/image2video/{id}")).await;
    assert_eq!((elsewhere.status, elsewhere.json()["code"].clone()), (StatusCode::NOT_FOUND, json!(1203)));
}

#[tokio::test]
async fn a_task_can_fail_in_two_ways() {
    let house = House::with_faults("").await;
    for (word, text) in
        [("fail", "Server internal error"), ("policy", "Failure to pass the risk control system")]
    {
        let task = ended(&house, SUBMIT, &json!({ "prompt": format!("a cat [sandbox:{word}]") })).await;
        assert_eq!((&task["task_status"], &task["task_status_msg"]), (&json!("failed"), &json!(text)));
        assert!(task["task_result"].is_null());
    }
}

#[tokio::test]
async fn refusals_have_a_status_and_a_code() {
    let house = House::with_faults("").await;
    let said = async |request| {
        let reply = house.call(request).await.unwrap();
        (reply.status.as_u16(), reply.json()["code"].as_u64().unwrap())
    };
    let post = |body: &str| house.request(Method::POST, SUBMIT, body.to_owned());
    assert_eq!(said(post("{")).await, (400, 1200));
    assert_eq!(said(post(r#"{"prompt":""}"#)).await, (400, 1201));
    assert_eq!(said(house.request(Method::GET, &format!("{SUBMIT}/none"), "")).await, (404, 1203));
    let mut without_key = post(r#"{"prompt":"a"}"#);
    without_key.headers_mut().remove(header::AUTHORIZATION);
    assert_eq!(said(without_key).await, (401, 1002));
    assert_eq!(house.ledger().await["entries"], json!([]), "nothing was accepted");
    let busy = House::with_faults("submit:429").await;
    let reply = busy.post(SUBMIT, &json!({ "prompt": "a" })).await;
    assert_eq!((reply.status.as_u16(), reply.json()["code"].clone()), (429, json!(1302)));
}
