//! MiniMax's own API.

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::client::House;

const CLIPS: &str = "/v1/video_generation";
const SPEECH: &str = "/v1/t2a_v2";

fn order(prompt: &str) -> Value {
    json!({ "model": "MiniMax-Hailuo-2.3", "prompt": prompt })
}

fn words(text: &str) -> Value {
    json!({ "model": "speech-2.8-hd", "text": text, "voice_setting": { "voice_id": "English_Graceful_Lady" } })
}

async fn ended(house: &House, prompt: &str) -> Value {
    let submitted = house.post(CLIPS, &order(prompt)).await.json();
    assert_eq!(submitted["base_resp"]["status_code"], 0);
    let path = format!("/v1/query/video_generation?task_id={}", submitted["task_id"].as_str().unwrap());
    let is_end = |reply: &Value| matches!(reply["status"].as_str(), Some("Success" | "Fail"));
    house.until(&path, |reply| is_end(reply).then(|| reply.clone())).await
}

#[tokio::test]
async fn a_clip_is_ordered_watched_looked_up_and_fetched() {
    let house = House::with_faults("").await;
    let task = ended(&house, "a cat").await;
    let file = house.get(&format!("/v1/files/retrieve?file_id={}", task["file_id"].as_str().unwrap())).await;
    let url = file.json()["file"]["download_url"].as_str().unwrap().to_owned();
    assert_eq!(house.get(&url).await.headers[header::CONTENT_TYPE], "video/mp4");
}

#[tokio::test]
async fn a_task_at_work_has_no_file() {
    let house = House::with_faults("").await;
    let submitted = house.post(CLIPS, &order("a cat [sandbox:never,slow=10ms]")).await.json();
    let id = submitted["task_id"].as_str().unwrap();
    let is_running = |reply: &Value| (reply["status"] == "Processing").then(|| reply.clone());
    let task = house.until(&format!("/v1/query/video_generation?task_id={id}"), is_running).await;
    assert!(task["file_id"].is_null());
    let file = house.get(&format!("/v1/files/retrieve?file_id=9{id}")).await.json();
    assert_eq!(file["base_resp"]["status_code"], 2013);
}

#[tokio::test]
async fn a_task_can_fail_in_two_ways() {
    let house = House::with_faults("").await;
    for (word, code) in [("fail", 1033), ("policy", 1027)] {
        let task = ended(&house, &format!("a cat [sandbox:{word}]")).await;
        assert_eq!((&task["status"], &task["base_resp"]["status_code"]), (&json!("Fail"), &json!(code)));
    }
}

#[tokio::test]
async fn speech_is_in_the_answer() {
    let house = House::with_faults("").await;
    let spoken = house.post(SPEECH, &words("Good morning.")).await.json();
    let digits = spoken["data"]["audio"].as_str().unwrap();
    assert!(digits.starts_with("52494646"), "RIFF: {}", &digits[..16]);
    let size = spoken["extra_info"]["audio_size"].as_u64().unwrap();
    assert_eq!((digits.len() as u64, &spoken["extra_info"]["audio_format"]), (2 * size, &json!("wav")));
    for (word, code) in [("fail", 1000), ("policy", 1026)] {
        let reply = house.post(SPEECH, &words(&format!("Good morning. [sandbox:{word}]"))).await.json();
        assert_eq!((&reply["base_resp"]["status_code"], &reply["data"]), (&json!(code), &Value::Null));
    }
}

#[tokio::test]
async fn refusals_are_http_200_with_a_code() {
    let house = House::with_faults("").await;
    let said = async |request| {
        let reply = house.call(request).await.unwrap();
        assert_eq!(reply.status, StatusCode::OK);
        reply.json()["base_resp"]["status_code"].as_u64().unwrap()
    };
    let post = |path: &str, body: &str| house.request(Method::POST, path, body.to_owned());
    assert_eq!(said(post(CLIPS, "{")).await, 2013);
    assert_eq!(said(post(CLIPS, r#"{"model":"veo3","prompt":"a"}"#)).await, 2013);
    assert_eq!(said(post(SPEECH, r#"{"model":"speech-2.8-hd"}"#)).await, 2013);
    let none = house.request(Method::GET, "/v1/query/video_generation?task_id=none", "");
    assert_eq!(said(none).await, 2013);
    let mut without_key = post(CLIPS, &order("a cat").to_string());
    without_key.headers_mut().remove(header::AUTHORIZATION);
    assert_eq!(said(without_key).await, 1004);
    assert_eq!(house.ledger().await["entries"], json!([]), "nothing was accepted");
}
