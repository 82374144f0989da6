//! The `/v2` contract as an upstream.

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::client::House;

#[tokio::test]
async fn every_scope_makes_its_media() {
    let house = House::with_faults("").await;
    for (scope, media_type, magic) in [
        ("videos", "video/mp4", &b"ftyp"[..]),
        ("images", "image/png", b"\r\n\x1a\n"),
        ("audio", "audio/wav", b""),
    ] {
        let finished = house.finished_v2(scope, &json!({ "model": "anything", "prompt": "a cat" })).await;
        assert_eq!((&finished["status"], &finished["progress"]), (&json!("SUCCESS"), &json!("100%")));
        assert_eq!(finished["fail_reason"], "");
        assert_eq!(finished["data"]["outputs"], json!([finished["data"]["output"]]));
        for time in ["submit_time", "start_time", "finish_time"] {
            assert!(finished[time].as_u64().unwrap() > 1_700_000_000, "{time} is in seconds: {finished}");
        }
        let media = house.get(finished["data"]["output"].as_str().unwrap()).await;
        assert_eq!(media.headers[header::CONTENT_TYPE], media_type);
        assert_eq!(&media.body[4..4 + magic.len()], magic);
    }
}

#[tokio::test]
async fn a_task_is_seen_from_its_start() {
    let house = House::with_faults("").await;
    let seen = async |words: &str, status: &str| {
        let prompt = format!("a cat [sandbox:{words}]");
        let order = json!({ "model": "veo3.1", "prompt": prompt, "images": [""], "other": 1 });
        let submitted = house.post("/v2/videos/generations", &order).await;
        assert_eq!(submitted.status, StatusCode::OK);
        let id = submitted.json()["task_id"].as_str().unwrap().replace(':', "%3A");
        let path = format!("/v2/videos/generations/{id}");
        house.until(&path, |poll| (poll["status"] == status).then(|| poll.clone())).await
    };
    let waiting = seen("slow=3600s", "NOT_START").await;
    assert_eq!(
        (&waiting["progress"], &waiting["start_time"], &waiting["data"]),
        (&json!("0%"), &json!(0), &Value::Null)
    );
    let running = seen("never,slow=10ms", "IN_PROGRESS").await;
    let percent: u64 = running["progress"].as_str().unwrap().strip_suffix('%').unwrap().parse().unwrap();
    assert!((1..100).contains(&percent) && running["data"].is_null(), "{running}");
    assert_ne!(running["start_time"], 0);
    assert_eq!(running["finish_time"], 0);
}

#[tokio::test]
async fn a_failure_is_http_200_without_data() {
    let house = House::with_faults("").await;
    for word in ["fail", "policy"] {
        let order = json!({ "model": "m", "prompt": format!("a cat [sandbox:{word}]") });
        let failed = house.finished_v2("videos", &order).await;
        assert_eq!((&failed["status"], &failed["data"]), (&json!("FAILURE"), &Value::Null));
        assert_ne!(failed["fail_reason"], "");
    }
}

#[tokio::test]
async fn refusals_have_a_status_and_a_code() {
    let house = House::with_faults("").await;
    let said = async |request| {
        let reply = house.call(request).await.unwrap();
        let body = reply.json();
        assert!(body["message"].is_string() && body["data"].is_null(), "{body}");
        (reply.status.as_u16(), body["code"].as_str().unwrap().to_owned())
    };
    let post = |body: &str| house.request(Method::POST, "/v2/videos/generations", body.to_owned());
    assert_eq!(said(post("{")).await, (400, "invalid_request".into()));
    assert_eq!(said(post(r#"{"model":"m"}"#)).await, (400, "invalid_request".into()));
    let mut without_key = post(r#"{"model":"m","prompt":"a"}"#);
    without_key.headers_mut().insert(header::AUTHORIZATION, "Bearer ".parse().unwrap());
    assert_eq!(said(without_key).await, (401, "invalid_api_key".into()));
    let unknown = house.request(Method::GET, "/v2/videos/generations/video:1", "");
    assert_eq!(said(unknown).await, (404, "task_not_exist".into()));
}

#[tokio::test]
async fn a_task_exists_in_its_own_scope_and_api_alone() {
    let house = House::with_faults("").await;
    let order = json!({ "model": "m", "prompt": "a cat" });
    let submitted = house.post("/v2/images/generations", &order).await.json();
    let id = submitted["task_id"].as_str().unwrap();
    assert_eq!(house.get(&format!("/v2/images/generations/{id}")).await.status, StatusCode::OK);
    assert_eq!(house.get(&format!("/v2/videos/generations/{id}")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.get(&format!("/api/v1/veo/record-info?taskId={id}")).await.json()["code"], 422);
    assert_eq!(house.get("/v3/videos").await.status, StatusCode::NOT_FOUND);
}
