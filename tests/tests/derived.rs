//! What is made of earlier things: a finished clip in a larger size, another clip like it, a clip of a file sent ahead.

use http::{Method, header};
use serde_json::{Value, json};
use tests::client::filled;
use tests::config::{account, of, route, video};
use tests::media::{pixel, probe};
use tests::{Gateway, SandboxProcess, eventually};

const MODEL: &str = "veo3.1-fast";

/// A gateway with one account, at that API of the sandbox; files go there, too.
async fn gateway(provider: &str, sandbox: &SandboxProcess) -> Gateway {
    let base_url = format!("{}/{provider}", sandbox.url());
    let mut account = account(provider, provider, &base_url);
    account["files_url"] = json!(base_url);
    Gateway::with_config(of(vec![account], vec![route(MODEL, &[provider])])).await
}

async fn clip(gateway: &Gateway, url: &Value) -> Vec<u8> {
    let url = url.as_str().unwrap_or_else(|| panic!("no URL: {url}"));
    let path = &url[url.find("/assets/").unwrap_or_else(|| panic!("not one of ours: {url}"))..];
    gateway.client().get(path).await.body.to_vec()
}

#[tokio::test]
async fn a_clip_is_enlarged_by_the_account_that_made_it() {
    let sandbox = SandboxProcess::start().await;
    let gateway = gateway("kie", &sandbox).await;
    let task = gateway.succeeded("videos", &video("a lighthouse", MODEL)).await;
    let id = task["task_id"].as_str().expect("an id");
    let get_1080p = format!("/api/v1/veo/get-1080p-video?taskId={id}&index=0");
    let larger = eventually("the clip in 1080p", async || {
        let reply = gateway.client().get(&get_1080p).await.json();
        let is_told = reply["code"] == 200 || (reply["code"] == 400 && reply["data"].is_null());
        assert!(is_told, "{reply}");
        (reply["code"] == 200).then_some(reply)
    });
    let larger = larger.await;
    assert_eq!(probe(&clip(&gateway, &larger["data"]["resultUrl"]).await).codec, "h264");
    let ask_4k = json!({ "taskId": id, "index": 0 }).to_string();
    let in_4k = eventually("the clip in 4k", async || {
        let reply = gateway.client().post("/api/v1/veo/get-4k-video", ask_4k.clone()).await.json();
        assert!(reply["code"] == 200 || reply["code"] == 422, "{reply}");
        (reply["code"] == 200).then_some(reply)
    });
    let in_4k = in_4k.await;
    assert_ne!(in_4k["data"]["resultUrls"][0], larger["data"]["resultUrl"], "two follow-ups");
    let again = gateway.client().get(&get_1080p).await.json();
    assert_eq!(again["data"], larger["data"], "asked again it is the same");
    assert_eq!(sandbox.ledger().await.accepted("a lighthouse"), 1, "and nothing was made anew");
}

#[tokio::test]
async fn a_clip_is_made_once_more_at_night() {
    let sandbox = SandboxProcess::start().await;
    let gateway = gateway("apimart", &sandbox).await;
    let task = gateway.succeeded("videos", &video("a lighthouse", MODEL)).await;
    let path = format!("/apimart/v1/videos/{}/remix", task["task_id"].as_str().expect("an id"));
    let remix = json!({ "model": MODEL, "prompt": "the same at night" });
    let made = gateway.client().post(&path, remix.to_string()).await.json();
    let id = made["data"][0]["task_id"].as_str().unwrap_or_else(|| panic!("{made}"));
    gateway.ended("videos", id).await;
    assert_eq!(gateway.poll("videos", id).await["status"], "SUCCESS");
    assert_eq!(sandbox.ledger().await.accepted("the same at night"), 1);
}

#[tokio::test]
async fn a_file_sent_ahead_goes_into_a_clip_by_its_url() {
    let sandbox = SandboxProcess::start().await;
    for provider in ["apimart", "evolink", "kie"] {
        let gateway = gateway(provider, &sandbox).await;
        let mut body =
            b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n".to_vec();
        body.extend(pixel());
        body.extend(b"\r\n--b--\r\n");
        let mut request = gateway.client().request(Method::POST, "/v1/files");
        if let Some(headers) = request.headers_mut() {
            let form = "multipart/form-data; boundary=b".parse().expect("a header");
            headers.insert(header::CONTENT_TYPE, form);
        }
        let file = gateway.client().call(filled(request, body)).await.json();
        let prompt = format!("a lighthouse by {provider}");
        let body = json!({ "prompt": prompt, "model": MODEL, "images": [file["url"]] });
        gateway.succeeded("videos", &body).await;
        let ledger = sandbox.ledger().await;
        assert_eq!(ledger.accepted(&prompt), 1, "{provider}");
        assert_eq!(ledger.calls(&format!("{provider}.upload")), 1, "{provider} was sent the file");
    }
}
