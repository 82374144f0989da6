//! Upstreams fail in every way: clients never notice more than a wait, tasks end as they should, and nothing that may
//! have been accepted is submitted again.

use serde_json::{Value, json};
use tests::config::{account, config, image, model, of, route, video};
use tests::media::probe;
use tests::{Gateway, SandboxOptions, SandboxProcess};

const HELD: &str = "it could not be established whether the provider accepted the task";

/// Makes `count` small images at the same time; their last polls. A poll that fails fails the story.
async fn images(gateway: &Gateway, count: usize) -> Vec<(String, Value)> {
    let mut ids = Vec::new();
    for number in 0..count {
        let prompt = format!("number {number}");
        let id = gateway.create("images", &image(&prompt)).await;
        ids.push((prompt, id));
    }
    let mut ended = Vec::new();
    for (prompt, id) in ids {
        ended.push((prompt, gateway.ended("images", &id).await));
    }
    ended
}

#[tokio::test]
async fn faulty_polls_cost_time_and_nothing_else() {
    let faults = "poll:latency=20ms,poll:error=0.15,poll:429=0.18,poll:cut=0.2,poll:garbage=0.25";
    let sandbox = SandboxProcess::with_faults(faults).await;
    let gateway = Gateway::with_config(config(&sandbox.url())).await;
    for (prompt, task) in images(&gateway, 24).await {
        assert_eq!(task["status"], "SUCCESS", "{prompt}: {task}");
    }
    let clip = gateway.succeeded("videos", &video("a clip", model::KIE_VIDEO)).await;
    assert_eq!(probe(&gateway.output(&clip).await).codec, "h264");
    let ledger = sandbox.ledger().await;
    assert_eq!(ledger.len(), 25);
    for fault in ["error", "429", "cut", "garbage"] {
        assert!(ledger.faults(fault) > 0, "the story is about {fault}: {ledger:?}");
    }
}

#[tokio::test]
async fn a_result_that_is_broken_on_the_way_is_copied_again() {
    let sandbox = SandboxProcess::with_faults("media:garbage=0.3,media:cut=0.2,media:error=0.2").await;
    let gateway = Gateway::with_config(config(&sandbox.url())).await;
    for (prompt, task) in images(&gateway, 16).await {
        assert_eq!(task["status"], "SUCCESS", "{prompt}: {task}");
        assert_eq!(probe(&gateway.output(&task).await).codec, "png", "{prompt}");
    }
    let ledger = sandbox.ledger().await;
    for fault in ["error", "cut", "garbage"] {
        assert!(ledger.faults(fault) > 0, "the story is about {fault}: {ledger:?}");
    }
}

#[tokio::test]
async fn a_submit_that_was_refused_for_being_too_many_is_made_again() {
    let sandbox = SandboxProcess::with_faults("submit:429=0.4").await;
    let mut config = config(&sandbox.url());
    config["tasks"]["attempts_max"] = json!(30);
    let gateway = Gateway::with_config(config).await;
    for (prompt, task) in images(&gateway, 24).await {
        assert_eq!(task["status"], "SUCCESS", "{prompt}: {task}");
    }
    let ledger = sandbox.ledger().await;
    assert_eq!(ledger.len(), 24);
    assert!(ledger.faults("429") > 0, "the story is about 429: {ledger:?}");
}

#[tokio::test]
async fn a_submit_that_ended_in_an_error_proves_nothing_and_is_held() {
    let sandbox = SandboxProcess::with_faults("submit:error=0.5").await;
    let gateway = Gateway::with_config(config(&sandbox.url())).await;
    let ended = images(&gateway, 20).await;
    let ledger = sandbox.ledger().await;
    for (prompt, task) in &ended {
        if ledger.accepted(prompt) == 1 {
            assert_eq!(task["status"], "SUCCESS", "{prompt}: {task}");
        } else {
            assert_eq!((&task["status"], &task["fail_reason"]), (&json!("FAILURE"), &json!(HELD)));
        }
    }
    assert_eq!(ledger.calls("v2.submit"), 20, "each was submitted once");
    assert!(ledger.faults("error") > 0, "the story is about errors: {ledger:?}");
}

#[tokio::test]
async fn a_submit_whose_answer_is_lost_is_held_and_never_made_again() {
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    // Wide enough a route for one who would try elsewhere.
    config["routes"] = json!([route(model::KIE_VIDEO, &["kie", "v2"]), route(model::V2_IMAGE, &["v2"])]);
    config["tasks"]["submit_timeout"] = json!("3s");
    let gateway = Gateway::with_config(config).await;
    let prompts = ["[sandbox:cut]", "[sandbox:garbage]", "[sandbox:hang]", "[sandbox:latency=20s]"];
    let mut tasks = Vec::new();
    for prompt in prompts {
        tasks.push((prompt, "videos", gateway.create("videos", &video(prompt, model::KIE_VIDEO)).await));
        tasks.push((prompt, "images", gateway.create("images", &image(prompt)).await));
    }
    for (prompt, scope, id) in &tasks {
        let held = gateway.until(scope, id, |task| task["status"] != "NOT_START").await;
        assert_eq!((&held["status"], &held["data"]), (&json!("IN_PROGRESS"), &Value::Null), "{prompt}");
    }
    for (prompt, scope, id) in &tasks {
        let task = gateway.ended(scope, id).await;
        assert_eq!((&task["status"], &task["fail_reason"]), (&json!("FAILURE"), &json!(HELD)), "{prompt}");
    }
    let ledger = sandbox.ledger().await;
    for prompt in prompts {
        assert_eq!(ledger.accepted(prompt), 2, "{prompt}: one video and one image");
    }
    assert_eq!((ledger.calls("kie.submit"), ledger.calls("v2.submit")), (4, 4));
}

#[tokio::test]
async fn a_result_that_breaks_off_is_fetched_again_until_it_is_whole() {
    let sandbox = SandboxProcess::with_faults("media:cut=0.4,media:error=0.3,media:429=0.2").await;
    let gateway = Gateway::with_config(config(&sandbox.url())).await;
    for (prompt, task) in images(&gateway, 12).await {
        assert_eq!(task["status"], "SUCCESS", "{prompt}: {task}");
        assert_eq!(probe(&gateway.output(&task).await).codec, "png");
    }
    let ledger = sandbox.ledger().await;
    assert_eq!(ledger.len(), 12);
    assert!(ledger.calls("media") > 12, "the story is about broken copies: {ledger:?}");
}

#[tokio::test]
async fn a_generation_that_failed_and_one_that_was_refused_say_so() {
    let sandbox = SandboxProcess::start().await;
    let gateway = Gateway::with_config(config(&sandbox.url())).await;
    for (scope, request) in [("videos", video("", model::KIE_VIDEO)), ("images", image(""))] {
        let told = async |prompt: &str| {
            let mut body = request.clone();
            body["prompt"] = json!(prompt);
            let id = gateway.create(scope, &body).await;
            let task = gateway.ended(scope, &id).await;
            assert_eq!((&task["status"], &task["data"]), (&json!("FAILURE"), &Value::Null), "{task}");
            task["fail_reason"].as_str().unwrap().to_owned()
        };
        assert_eq!(told("[sandbox:fail]").await, "the provider could not finish the generation");
        let refused = told("[sandbox:policy]").await;
        assert!(refused.starts_with("the provider refused the content"), "{refused}");
    }
}

#[tokio::test]
async fn another_account_takes_over_from_one_that_cannot_be_reached() {
    let sandbox = SandboxProcess::start().await;
    let mut gone = SandboxProcess::start().await;
    let away = gone.url();
    gone.kill();
    let accounts = vec![account("away", "v2", &away), account("there", "v2", &sandbox.url())];
    let gateway = Gateway::with_config(of(accounts, vec![route(model::V2_IMAGE, &["away", "there"])])).await;
    gateway.succeeded("images", &image("over there")).await;
    assert_eq!(sandbox.ledger().await.accepted("over there"), 1);
    let submits = async |account: &str, outcome: &str| {
        gateway.metric("filmgate_submits_total", &[("account", account), ("outcome", outcome)]).await
    };
    assert_eq!((submits("away", "not_sent").await, submits("there", "accepted").await), (1.0, 1.0));
}

#[tokio::test]
async fn another_account_takes_over_from_one_whose_key_is_refused() {
    let strict = SandboxOptions { key: Some("quite another key".to_owned()), ..SandboxOptions::default() };
    let (locked, open) = (SandboxProcess::with(strict).await, SandboxProcess::start().await);
    for (provider, model, scope, body) in [
        ("v2", model::V2_IMAGE, "images", image("let me in")),
        ("kie", model::KIE_VIDEO, "videos", video("let me in", model::KIE_VIDEO)),
    ] {
        let accounts =
            vec![account("locked", provider, &locked.url()), account("open", provider, &open.url())];
        let gateway = Gateway::with_config(of(accounts, vec![route(model, &["locked", "open"])])).await;
        gateway.succeeded(scope, &body).await;
        let refused =
            gateway.metric("filmgate_submits_total", &[("account", "locked"), ("outcome", "rejected")]).await;
        assert_eq!(refused, 1.0);
    }
    assert_eq!((locked.ledger().await.len(), open.ledger().await.len()), (0, 2));
}

#[tokio::test]
async fn another_account_takes_over_from_a_generation_that_failed() {
    let (failing, good) = (SandboxProcess::with_faults("fail").await, SandboxProcess::start().await);
    let accounts = vec![account("failing", "kie", &failing.url()), account("good", "kie", &good.url())];
    let gateway =
        Gateway::with_config(of(accounts, vec![route(model::KIE_VIDEO, &["failing", "good"])])).await;
    gateway.succeeded("videos", &video("second try", model::KIE_VIDEO)).await;
    assert_eq!((failing.ledger().await.len(), good.ledger().await.len()), (1, 1));
}
