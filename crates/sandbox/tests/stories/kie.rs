//! kie's Veo API and its jobs.

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::client::{House, settings};

const SUBMIT: &str = "/api/v1/veo/generate";

#[tokio::test]
async fn a_clip_is_ordered_watched_and_fetched() {
    let house = House::with_faults("").await;
    let submitted = house.submit_kie("a cat").await;
    assert_eq!((&submitted["code"], &submitted["msg"]), (&json!(200), &json!("success")));
    let id = submitted["data"]["taskId"].as_str().unwrap();
    let finished = house.finished_kie(id).await;
    assert_eq!(finished["data"]["successFlag"], 1);
    assert_eq!(finished["data"]["response"]["taskId"], id);
    assert_eq!(finished["data"]["errorCode"], Value::Null);
    let url = finished["data"]["response"]["resultUrls"][0].as_str().unwrap();
    let clip = house.get(url).await;
    assert_eq!(
        (clip.status, &clip.headers[header::CONTENT_TYPE]),
        (StatusCode::OK, &"video/mp4".parse().unwrap())
    );
    assert_eq!(&clip.body[4..8], b"ftyp");
}

#[tokio::test]
async fn a_task_at_work_has_no_response() {
    let house = House::with_faults("").await;
    let submitted = house.submit_kie("a cat [sandbox:slow=3600s]").await;
    let id = submitted["data"]["taskId"].as_str().unwrap();
    let running = house.get(&format!("/api/v1/veo/record-info?taskId={id}")).await.json();
    assert_eq!((&running["code"], &running["data"]["successFlag"]), (&json!(200), &json!(0)));
    assert_eq!(
        (&running["data"]["response"], &running["data"]["completeTime"]),
        (&Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn only_a_clip_that_is_not_landscape_has_an_origin() {
    let house = House::with_faults("").await;
    let origins = async |ratio: &str| {
        let order = json!({ "prompt": "a cat", "aspectRatio": ratio });
        let submitted = house.post(SUBMIT, &order).await.json();
        let finished = house.finished_kie(submitted["data"]["taskId"].as_str().unwrap()).await;
        finished["data"]["response"]["originUrls"].clone()
    };
    assert_eq!(origins("16:9").await, Value::Null);
    assert!(origins("9:16").await[0].as_str().unwrap().ends_with(".mp4"));
}

#[tokio::test]
async fn refusals_are_http_200_with_a_code() {
    let house = House::with_faults("").await;
    let said = async |request| {
        let reply = house.call(request).await.unwrap();
        assert_eq!(reply.status, StatusCode::OK);
        let body = reply.json();
        assert!(body["msg"].is_string() && body["data"].is_null(), "{body}");
        body["code"].as_u64().unwrap()
    };
    let post = |body: &str| house.request(Method::POST, SUBMIT, body.to_owned());
    assert_eq!(said(post("{")).await, 400);
    assert_eq!(said(post(r#"{"prompt":"a","imageUrls":["data:image/png;base64,AAAA"]}"#)).await, 422);
    assert_eq!(said(post(r#"{"prompt":"a [sandbox:explode]"}"#)).await, 422);
    assert_eq!(said(house.request(Method::GET, "/api/v1/veo/record-info?taskId=none", "")).await, 422);
    assert_eq!(said(house.request(Method::GET, "/api/v1/veo/record-info", "")).await, 422);
    let mut without_key = post(r#"{"prompt":"a"}"#);
    without_key.headers_mut().remove(header::AUTHORIZATION);
    assert_eq!(said(without_key).await, 401);
    assert_eq!(house.ledger().await["entries"], json!([]), "nothing was accepted");
}

#[tokio::test]
async fn a_key_can_be_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path(), "");
    settings.key = Some("another-key".into());
    let house = House::open(folder, settings).await;
    assert_eq!(house.submit_kie("a cat").await["code"], 401);
    let mut request = house.request(Method::POST, SUBMIT, r#"{"prompt":"a"}"#);
    request.headers_mut().insert(header::AUTHORIZATION, "Bearer another-key".parse().unwrap());
    assert_eq!(house.call(request).await.unwrap().json()["code"], 200);
}

#[tokio::test]
async fn a_task_can_fail_in_two_ways() {
    let house = House::with_faults("").await;
    let finished = async |prompt: &str| {
        let submitted = house.submit_kie(prompt).await;
        house.finished_kie(submitted["data"]["taskId"].as_str().unwrap()).await
    };
    let failed = finished("a cat [sandbox:fail]").await;
    assert_eq!((&failed["code"], &failed["data"]["successFlag"]), (&json!(200), &json!(3)));
    assert_eq!(failed["data"]["errorCode"], 501);
    let refused = finished("a cat [sandbox:policy]").await;
    assert_eq!((&refused["code"], &refused["data"]["successFlag"]), (&json!(400), &json!(2)));
    assert!(refused["msg"].as_str().unwrap().contains("content policies"));
}

#[tokio::test]
async fn a_picture_is_a_job() {
    let house = House::with_faults("").await;
    let finished = async |prompt: &str| {
        let order = json!({ "model": "nano-banana-2", "input": { "prompt": prompt, "aspect_ratio": "1:1" } });
        let submitted = house.post("/api/v1/jobs/createTask", &order).await.json();
        let id = submitted["data"]["taskId"].as_str().unwrap().to_owned();
        let is_end = |reply: &Value| matches!(reply["data"]["state"].as_str(), Some("success" | "fail"));
        let path = format!("/api/v1/jobs/recordInfo?taskId={id}");
        let job = house.until(&path, |reply| is_end(reply).then(|| reply["data"].clone())).await;
        let elsewhere = house.get(&format!("/api/v1/veo/record-info?taskId={id}")).await.json();
        assert_eq!(elsewhere["code"], 422, "a job is no Veo task");
        job
    };
    let job = finished("a cafe").await;
    let results: Value = serde_json::from_str(job["resultJson"].as_str().unwrap()).unwrap();
    let picture = house.get(results["resultUrls"][0].as_str().unwrap()).await;
    assert_eq!(picture.headers[header::CONTENT_TYPE], "image/png");
    assert_eq!(finished("a cafe [sandbox:fail]").await["failCode"], "501");
    assert_eq!(finished("a cafe [sandbox:policy]").await["failCode"], "400");
}

#[tokio::test]
async fn a_clip_is_there_in_larger_sizes_some_time_after_it() {
    let house = House::with_faults("").await;
    let is_ready = |reply: &Value| reply["data"]["resultUrl"].is_string().then(|| reply.clone());
    let submitted = house.submit_kie("a cat").await;
    let id = submitted["data"]["taskId"].as_str().unwrap();
    let larger = house.until(&format!("/api/v1/veo/get-1080p-video?taskId={id}&index=0"), is_ready).await;
    assert_eq!(larger["code"], 200);
    let clip = house.get(larger["data"]["resultUrl"].as_str().unwrap()).await;
    assert_eq!(clip.headers[header::CONTENT_TYPE], "video/mp4");
    let in_4k = house.post("/api/v1/veo/get-4k-video", &json!({ "taskId": id, "index": 0 })).await.json();
    assert_eq!((&in_4k["code"], &in_4k["data"]["taskId"]), (&json!(200), &json!(id)));
    assert_eq!(in_4k["data"]["resultUrls"][0], larger["data"]["resultUrl"]);
}

#[tokio::test]
async fn a_larger_clip_that_is_not_there_is_refused_in_words() {
    let house = House::with_faults("").await;
    let submitted = house.submit_kie("a cat [sandbox:slow=3600s]").await;
    let id = submitted["data"]["taskId"].as_str().unwrap();
    let get_1080p =
        async |id: &str| house.get(&format!("/api/v1/veo/get-1080p-video?taskId={id}&index=0")).await.json();
    let get_4k = async |body: &Value| house.post("/api/v1/veo/get-4k-video", body).await.json();
    let early = get_1080p(id).await;
    assert_eq!((&early["code"], &early["data"]), (&json!(400), &Value::Null));
    assert!(early["msg"].as_str().unwrap().contains("is processing"), "{early}");
    let early = get_4k(&json!({ "taskId": id })).await;
    let nothing = json!({ "taskId": id, "resultUrls": null, "imageUrls": null });
    assert_eq!((&early["code"], &early["data"]), (&json!(422), &nothing));
    assert!(early["msg"].as_str().unwrap().contains("is processing"), "{early}");
    assert_eq!(get_1080p("none").await["code"], 422);
    for wrong in
        [json!({}), json!({ "taskId": id, "index": "0" }), json!({ "taskId": id, "callBackUrl": "x" })]
    {
        assert_eq!(get_4k(&wrong).await["code"], 422, "{wrong}");
    }
    let failed = house.submit_kie("a cat [sandbox:fail]").await;
    let id = failed["data"]["taskId"].as_str().unwrap();
    house.finished_kie(id).await;
    let path = format!("/api/v1/veo/get-1080p-video?taskId={id}&index=0");
    house.until(&path, |reply| (reply["code"] == 422).then_some(())).await;
}

#[tokio::test]
async fn a_file_is_taken_in_three_ways() {
    let house = House::with_faults("").await;
    let sent = house.send_file("/api/file-stream-upload", &[("uploadPath", "images")]).await.json();
    assert_eq!((&sent["success"], &sent["code"]), (&json!(true), &json!(200)));
    assert_eq!(sent["data"]["filePath"], "images/cat.png");
    assert!(sent["data"]["downloadUrl"].as_str().unwrap().starts_with("http://"), "{sent}");
    let base64 = json!({ "base64Data": "iVBORw0KGgo=", "uploadPath": "images" });
    assert_eq!(house.post("/api/file-base64-upload", &base64).await.json()["code"], 200);
    let url = json!({ "fileUrl": "https://example.com/a.png", "uploadPath": "images", "fileName": "b.png" });
    assert_eq!(house.post("/api/file-url-upload", &url).await.json()["data"]["fileName"], "b.png");
    assert_eq!(house.send_file("/api/file-stream-upload", &[]).await.json()["code"], 422, "no uploadPath");
    assert_eq!(house.post("/api/file-stream-upload", &base64).await.json()["code"], 422, "no form");
    let elsewhere = json!({ "fileUrl": "ftp://example.com/a.png", "uploadPath": "images" });
    assert_eq!(house.post("/api/file-url-upload", &elsewhere).await.json()["code"], 422);
}
