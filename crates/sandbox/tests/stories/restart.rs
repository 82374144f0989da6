//! What a restart keeps: everything that was accepted.

use http::{Method, StatusCode};
use sandbox::{LedgerError, Sandbox, SandboxError};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::{House, POLL_INTERVAL, POLLS_MAX, settings};

#[tokio::test]
async fn a_restart_keeps_tasks_and_their_media() {
    let house = House::with_faults("").await;
    let submitted = house.submit_kie("a cat").await;
    let id = submitted["data"]["taskId"].as_str().unwrap();
    let finished = house.finished_kie(id).await;
    let path_of = |finished: &Value| {
        let url: http::Uri = finished["data"]["response"]["resultUrls"][0].as_str().unwrap().parse().unwrap();
        url.path().to_owned()
    };
    let clip = house.get(&path_of(&finished)).await.body;
    let entries = house.ledger().await["entries"].clone();

    let House { folder, sandbox, .. } = house;
    sandbox.stop().await;
    std::fs::remove_dir_all(folder.path().join("sandbox/media")).unwrap();
    let settings = settings(folder.path(), "");
    let house = House::open(folder, settings).await;
    assert_eq!(house.ledger().await["entries"], entries);
    let again = house.finished_kie(id).await;
    assert_eq!(again["data"]["completeTime"], finished["data"]["completeTime"]);
    assert_eq!(house.get(&path_of(&again)).await.body, clip, "rendered anew, it is the same");
}

#[tokio::test]
async fn a_task_at_work_goes_on_after_a_restart() {
    let house = House::with_faults("").await;
    let order = json!({ "model": "m", "prompt": "a cat [sandbox:slow=1s]" });
    let submitted = house.post("/v2/images/generations", &order).await.json();
    let House { folder, sandbox, .. } = house;
    sandbox.stop().await;
    let settings = settings(folder.path(), "");
    let house = House::open(folder, settings).await;
    let path = format!("/v2/images/generations/{}", submitted["task_id"].as_str().unwrap());
    house.until(&path, |poll| (poll["status"] == "SUCCESS").then_some(())).await;
}

#[tokio::test]
async fn the_ledger_holds_the_whole_request_once() {
    let house = House::with_faults("").await;
    let image = "http://example.com/a.png";
    let order = json!({ "prompt": "a cat", "model": "veo3", "seeds": 12345, "imageUrls": [image] });
    house.post("/api/v1/veo/generate", &order).await;
    let ledger = house.ledger().await;
    let entries = ledger["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 1);
    let entry = &entries[0];
    assert_eq!(entry["body"], order);
    assert_eq!(
        (&entry["api"], &entry["model"], &entry["prompt"]),
        (&json!("kie"), &json!("veo3"), &json!("a cat"))
    );
    assert_eq!((&entry["fate"], &entry["answer_fault"]), (&json!("succeed"), &Value::Null));
}

#[tokio::test]
async fn submits_at_one_time_are_all_written_down_once() {
    let house = House::with_faults("").await;
    let mut prompts: Vec<String> = (0..50).map(|number| format!("cat {number}")).collect();
    let mut submits = JoinSet::new();
    for prompt in &prompts {
        let order = json!({ "model": "m", "prompt": prompt }).to_string();
        submits.spawn(house.client.request(house.request(Method::POST, "/v2/videos/generations", order)));
    }
    for reply in submits.join_all().await {
        assert_eq!(reply.unwrap().status(), StatusCode::OK);
    }
    let ledger = house.ledger().await;
    let prompt_of = |entry: &Value| entry["prompt"].as_str().unwrap().to_owned();
    let mut written: Vec<String> = ledger["entries"].as_array().unwrap().iter().map(prompt_of).collect();
    written.sort();
    prompts.sort();
    assert_eq!(written, prompts);
    assert_eq!(ledger["calls"], json!({ "v2.submit": 50 }));
}

#[tokio::test]
async fn the_largest_body_is_taken_and_its_media_is_not_kept() {
    let house = House::with_faults("").await;
    let media = "A".repeat(64 * 1024 * 1024);
    let order = json!({ "model": "m", "prompt": "a cat", "images": [media] });
    let reply = house.post("/v2/videos/generations", &order).await;
    assert_eq!(reply.status, StatusCode::OK);
    let ledger = house.ledger().await;
    assert_eq!(ledger["entries"][0]["body"]["prompt"], "a cat");
    assert!(ledger.to_string().len() < 2000);
}

#[tokio::test]
async fn a_sandbox_that_is_dropped_leaves_its_folder() {
    let House { folder, sandbox, .. } = House::with_faults("").await;
    drop(sandbox);
    let mut ticks = tokio::time::interval(POLL_INTERVAL);
    for _ in 0..POLLS_MAX {
        ticks.tick().await;
        match Sandbox::start(settings(folder.path(), "")).await {
            Err(SandboxError::Ledger(LedgerError::InUse { .. })) => {}
            started => return drop(started.unwrap()),
        }
    }
    panic!("the folder never became free");
}

#[tokio::test]
async fn two_sandboxes_cannot_share_a_folder() {
    let house = House::with_faults("").await;
    let second = Sandbox::start(settings(house.folder.path(), "")).await;
    assert!(matches!(second, Err(SandboxError::Ledger(LedgerError::InUse { .. }))));
}
