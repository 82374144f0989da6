//! OpenAI's API: videos as tasks, images and speech at once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::client::{House, Reply};

const SUBMIT: &str = "/v1/videos";

/// Behind the name: other APIs have the same path.
const IMAGES: &str = "/openai/v1/images/generations";
const EDITS: &str = "/v1/images/edits";
const SPEECH: &str = "/v1/audio/speech";

/// Sends the fields as a form, as OpenAI's clients do.
async fn post_form(house: &House, path: &str, fields: &[(&str, &str)]) -> Reply {
    let mut body = String::new();
    for (disposition, value) in fields {
        body += &format!("--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{value}\r\n");
    }
    let mut request = house.request(Method::POST, path, body + "--b--\r\n");
    let form = "multipart/form-data; boundary=b".parse().unwrap();
    request.headers_mut().insert(header::CONTENT_TYPE, form);
    house.call(request).await.unwrap()
}

async fn ended(house: &House, submitted: &Reply) -> Value {
    assert_eq!(submitted.status, StatusCode::OK, "{submitted:?}");
    let submitted = submitted.json();
    assert_eq!((&submitted["object"], &submitted["status"]), (&json!("video"), &json!("queued")));
    let path = format!("{SUBMIT}/{}", submitted["id"].as_str().unwrap());
    let is_end = |reply: &Value| reply["status"] == "completed" || reply["status"] == "failed";
    house.until(&path, |reply| is_end(reply).then(|| reply.clone())).await
}

#[tokio::test]
async fn a_clip_is_ordered_by_form_or_json_and_fetched_in_two_places() {
    let house = House::with_faults("").await;
    let by_form = post_form(
        &house,
        SUBMIT,
        &[
            ("name=\"prompt\"", "a cat"),
            ("name=\"seconds\"", "8"),
            ("name=\"input_reference\"; filename=\"a.png\"", "PNG"),
        ],
    )
    .await;
    let by_json = house.post(SUBMIT, &json!({ "prompt": "a cat", "seconds": "8" })).await;
    for submitted in [by_form, by_json] {
        let done = ended(&house, &submitted).await;
        assert_eq!((&done["status"], &done["progress"]), (&json!("completed"), &json!(100)));
        assert_eq!((&done["model"], &done["error"]), (&json!("sora-2"), &Value::Null));
        let content = format!("{SUBMIT}/{}/content", done["id"].as_str().unwrap());
        let (content, by_url) = (house.get(&content).await, house.get(done["url"].as_str().unwrap()).await);
        assert_eq!(content.headers[header::CONTENT_TYPE], "video/mp4");
        assert_eq!(content.body, by_url.body);
    }
    let entries = house.ledger().await["entries"].clone();
    assert_eq!(entries[0]["body"]["input_reference"], json!({ "filename": "a.png", "bytes": 3 }));
}

#[tokio::test]
async fn content_takes_the_key_and_is_not_there_before_the_end() {
    let house = House::with_faults("").await;
    let order = json!({ "prompt": "a cat [sandbox:never,slow=10ms]" });
    let id = house.post(SUBMIT, &order).await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("{SUBMIT}/{id}");
    let running = house.until(&path, |poll| (poll["status"] == "in_progress").then(|| poll.clone())).await;
    assert!((1..100).contains(&running["progress"].as_u64().unwrap()) && running["url"].is_null());
    let content = format!("{path}/content");
    assert_eq!(house.get(&content).await.status, StatusCode::NOT_FOUND);
    let mut without_key = house.request(Method::GET, &content, "");
    without_key.headers_mut().remove(header::AUTHORIZATION);
    assert_eq!(house.call(without_key).await.unwrap().status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_failure_is_http_200_with_a_code() {
    let house = House::with_faults("").await;
    for (word, code) in [("fail", "server_error"), ("policy", "moderation_blocked")] {
        let order = json!({ "prompt": format!("a cat [sandbox:{word}]") });
        let failed = ended(&house, &house.post(SUBMIT, &order).await).await;
        assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!(code)));
        assert!(failed["url"].is_null());
    }
}

#[tokio::test]
async fn refusals_have_a_status_and_openais_shape() {
    let house = House::with_faults("").await;
    let said = |reply: Reply| {
        let body = reply.json();
        assert!(body["error"]["message"].is_string() && body["error"]["type"].is_string(), "{body}");
        (reply.status.as_u16(), body["error"]["code"].clone())
    };
    let broken = house.call(house.request(Method::POST, SUBMIT, "{")).await.unwrap();
    assert_eq!(said(broken), (400, Value::Null));
    let wrong = post_form(&house, SUBMIT, &[("name=\"prompt\"", "a cat"), ("name=\"seconds\"", "5")]).await;
    assert_eq!(said(wrong), (400, json!("invalid_value")));
    assert_eq!(said(house.get("/v1/videos/video_1").await), (404, json!("not_found")));
    assert_eq!(house.ledger().await["entries"], json!([]), "nothing was accepted");
}

#[tokio::test]
async fn a_clip_is_remixed_listed_and_deleted() {
    let house = House::with_faults("").await;
    let order = json!({ "prompt": "a cat", "size": "1280x720" });
    let first = ended(&house, &house.post(SUBMIT, &order).await).await;
    let path = format!("{SUBMIT}/{}", first["id"].as_str().unwrap());
    let remix = house.post(&format!("{path}/remix"), &json!({ "prompt": "the same by night" })).await;
    let second = ended(&house, &remix).await;
    assert_eq!((&second["remixed_from_video_id"], &second["size"]), (&first["id"], &json!("1280x720")));

    let ids = |list: &Value| -> Vec<Value> {
        list["data"].as_array().unwrap().iter().map(|video| video["id"].clone()).collect()
    };
    let all = house.get(SUBMIT).await.json();
    assert_eq!(ids(&all), [second["id"].clone(), first["id"].clone()]);
    assert_eq!((&all["last_id"], &all["has_more"]), (&first["id"], &json!(false)));
    let page = house.get(&format!("{SUBMIT}?limit=1&order=asc")).await.json();
    assert_eq!((ids(&page), &page["has_more"]), (vec![first["id"].clone()], &json!(true)));
    let after = page["last_id"].as_str().unwrap();
    let page = house.get(&format!("{SUBMIT}?order=asc&after={after}")).await.json();
    assert_eq!(ids(&page), [second["id"].clone()]);

    let deleted = house.call(house.request(Method::DELETE, &path, "")).await.unwrap().json();
    assert_eq!(deleted, json!({ "id": first["id"], "object": "video.deleted", "deleted": true }));
    for gone in [&path, &format!("{path}/content"), first["url"].as_str().unwrap()] {
        assert_eq!(house.get(gone).await.status, StatusCode::NOT_FOUND, "{gone}");
    }
    assert_eq!(ids(&house.get(SUBMIT).await.json()), [second["id"].clone()]);
}

#[tokio::test]
async fn what_is_at_work_is_neither_remixed_nor_deleted() {
    let house = House::with_faults("").await;
    let order = json!({ "prompt": "a cat [sandbox:never]" });
    let id = house.post(SUBMIT, &order).await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("{SUBMIT}/{id}");
    let remix = house.post(&format!("{path}/remix"), &json!({ "prompt": "a dog" })).await;
    assert_eq!(remix.status, StatusCode::BAD_REQUEST);
    let deleted = house.call(house.request(Method::DELETE, &path, "")).await.unwrap();
    assert_eq!(deleted.status, StatusCode::BAD_REQUEST);
    let nothing = house.post(&format!("{SUBMIT}/video_1/remix"), &json!({ "prompt": "a dog" })).await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn images_come_in_the_answer_or_by_url() {
    let house = House::with_faults("").await;
    let order = json!({ "model": "gpt-image-1", "prompt": "a cat", "n": 2, "size": "1536x1024" });
    let answer = house.post(IMAGES, &order).await.json();
    assert_eq!((&answer["size"], &answer["output_format"]), (&json!("1536x1024"), &json!("png")));
    let images: Vec<Vec<u8>> = answer["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| STANDARD.decode(image["b64_json"].as_str().unwrap()).unwrap())
        .collect();
    assert!(images.len() == 2 && images[0] != images[1], "two different images");
    assert!(images.iter().all(|image| image.starts_with(b"\x89PNG")));

    let order = json!({ "model": "dall-e-2", "prompt": "a cat", "n": 2 });
    let answer = house.post(IMAGES, &order).await.json();
    let urls: Vec<&str> =
        answer["data"].as_array().unwrap().iter().map(|image| image["url"].as_str().unwrap()).collect();
    let (first, second) = (house.get(urls[0]).await, house.get(urls[1]).await);
    assert!(first.body.starts_with(b"\x89PNG") && second.body.starts_with(b"\x89PNG"));
    assert_ne!(first.body, second.body);
    assert_eq!(house.get(&urls[1].replace("~1", "~2")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn images_are_made_of_images() {
    let house = House::with_faults("").await;
    let png = "\"; filename=\"a.png\"\r\nContent-Type: image/png";
    let fields = [
        (format!("name=\"image[]{png}"), "PNG"),
        (format!("name=\"image[]{png}"), "PNG"),
        ("name=\"prompt\"".to_owned(), "both"),
        ("name=\"model\"".to_owned(), "gpt-image-1"),
    ];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let answer = post_form(&house, EDITS, &fields).await.json();
    assert!(answer["data"][0]["b64_json"].is_string(), "{answer}");
    let entries = house.ledger().await["entries"].clone();
    assert_eq!(entries[0]["body"]["image"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn speech_is_the_sound_itself() {
    let house = House::with_faults("").await;
    let order = json!({ "model": "tts-1", "input": "hello", "voice": "alloy", "response_format": "wav" });
    let wav = house.post(SPEECH, &order).await;
    assert_eq!(wav.headers[header::CONTENT_TYPE], "audio/wav");
    let order = json!({ "model": "tts-1", "input": "hello", "voice": "alloy", "response_format": "pcm" });
    let pcm = house.post(SPEECH, &order).await;
    assert_eq!(pcm.headers[header::CONTENT_TYPE], "audio/pcm");
    assert!(wav.body.starts_with(b"RIFF") && wav.body.ends_with(&pcm.body));
}

#[tokio::test]
async fn what_fails_is_said_in_the_answer() {
    let house = House::with_faults("").await;
    for (word, status, code) in [("fail", 500, "server_error"), ("policy", 400, "moderation_blocked")] {
        let prompt = format!("a cat [sandbox:{word}]");
        let reply = house.post(IMAGES, &json!({ "model": "gpt-image-1", "prompt": prompt })).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["error"]["code"]), (status, &json!(code)));
    }
    let cut = json!({ "model": "gpt-image-1", "prompt": "a cat [sandbox:cut]" });
    assert!(house.try_post(IMAGES, &cut).await.is_err());
    let accepted = house.ledger().await["entries"].as_array().map(Vec::len);
    assert_eq!(accepted, Some(3), "what was cut off was accepted, too");
}
