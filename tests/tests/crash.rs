//! The gateway dies, in every state of a task and at random: nothing accepted is lost, nothing is submitted twice.
//! The sandbox lives on, and its own ledger tells what it accepted.

use std::time::Duration;

use serde_json::{Value, json};
use tests::config::{config, image, model, video};
use tests::{Gateway, SandboxOptions, SandboxProcess, eventually};

const HELD: &str = "it could not be established whether the provider accepted the task";

async fn house() -> (SandboxProcess, Gateway) {
    let sandbox = SandboxProcess::start().await;
    let gateway = Gateway::with_config(config(&sandbox.url())).await;
    (sandbox, gateway)
}

/// Waits until the upstream has accepted `count` tasks.
async fn accepted(sandbox: &SandboxProcess, count: usize) {
    let what = format!("{count} tasks at the upstream");
    eventually(&what, async || (sandbox.ledger().await.len() >= count).then_some(())).await;
}

#[tokio::test]
async fn a_queued_task_goes_on() {
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    config["accounts"][1]["concurrent_tasks"] = json!(1);
    let mut gateway = Gateway::with_config(config).await;
    let first = gateway.create("images", &image("first [sandbox:slow=5s]")).await;
    gateway.until("images", &first, |task| task["start_time"] != 0).await;
    let second = gateway.create("images", &image("second")).await;
    assert_eq!(gateway.poll("images", &second).await["status"], "NOT_START");

    gateway.restart().await;
    for id in [first, second] {
        assert_eq!(gateway.ended("images", &id).await["status"], "SUCCESS");
    }
    let ledger = sandbox.ledger().await;
    assert_eq!((ledger.accepted("first [sandbox:slow=5s]"), ledger.accepted("second")), (1, 1));
    assert_eq!(ledger.most_at_once(), 1, "the first one's place was taken across the crash");
}

#[tokio::test]
async fn a_task_that_found_its_upstream_away_goes_on() {
    let (mut sandbox, mut gateway) = house().await;
    sandbox.kill();
    let id = gateway.create("images", &image("patience")).await;
    eventually("a submit that did not leave", async || {
        let missed = gateway.metric("filmgate_submits_total", &[("outcome", "not_sent")]).await;
        (missed > 0.0).then_some(())
    })
    .await;
    gateway.until("images", &id, |task| task["status"] == "NOT_START").await;

    gateway.kill();
    sandbox.restart("").await;
    gateway.restart().await;
    assert_eq!(gateway.ended("images", &id).await["status"], "SUCCESS");
    assert_eq!(sandbox.ledger().await.accepted("patience"), 1);
}

#[tokio::test]
async fn a_submit_in_flight_becomes_unknown_and_is_never_made_again() {
    let (sandbox, mut gateway) = house().await;
    let prompt = "[sandbox:hang]";
    let id = gateway.create("images", &image(prompt)).await;
    accepted(&sandbox, 1).await;
    let task = gateway.poll("images", &id).await;
    assert_eq!((&task["status"], &task["start_time"]), (&json!("IN_PROGRESS"), &json!(0)));

    gateway.restart().await;
    let task = gateway.ended("images", &id).await;
    assert_eq!((&task["status"], &task["fail_reason"]), (&json!("FAILURE"), &json!(HELD)));
    assert_eq!(sandbox.ledger().await.accepted(prompt), 1);
    assert_eq!(gateway.metric("filmgate_submits_total", &[]).await, 0.0, "the second life submitted nothing");
}

#[tokio::test]
async fn an_unknown_task_is_held_across_a_crash() {
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    config["tasks"]["unknown_hold"] = json!("5s");
    let mut gateway = Gateway::with_config(config).await;
    let prompt = "[sandbox:garbage]";
    let id = gateway.create("images", &image(prompt)).await;
    eventually("an unknown outcome", async || {
        let unknown = gateway.metric("filmgate_submits_total", &[("outcome", "unknown")]).await;
        (unknown > 0.0).then_some(())
    })
    .await;

    gateway.restart().await;
    let task = gateway.ended("images", &id).await;
    assert_eq!((&task["status"], &task["fail_reason"]), (&json!("FAILURE"), &json!(HELD)));
    assert_eq!(sandbox.ledger().await.accepted(prompt), 1);
    assert_eq!(gateway.metric("filmgate_submits_total", &[]).await, 0.0, "the second life submitted nothing");
}

#[tokio::test]
async fn a_running_task_is_polled_on() {
    let (sandbox, mut gateway) = house().await;
    let prompt = "[sandbox:slow=4s]";
    let id = gateway.create("videos", &video(prompt, model::KIE_VIDEO)).await;
    let before = gateway.until("videos", &id, |task| task["start_time"] != 0).await;

    gateway.restart().await;
    let after = gateway.ended("videos", &id).await;
    assert_eq!((&after["status"], &after["start_time"]), (&json!("SUCCESS"), &before["start_time"]));
    assert_eq!(sandbox.ledger().await.accepted(prompt), 1);
}

#[tokio::test]
async fn a_result_that_was_being_copied_is_copied_again() {
    let (sandbox, mut gateway) = house().await;
    let prompt = "[sandbox:media:latency=3s]";
    let id = gateway.create("images", &image(prompt)).await;
    eventually("a copy under way", async || (sandbox.ledger().await.calls("media") > 0).then_some(())).await;
    assert_eq!(gateway.poll("images", &id).await["progress"], "99%");

    gateway.restart().await;
    let task = gateway.ended("images", &id).await;
    assert_eq!(task["status"], "SUCCESS", "{task}");
    assert!(!gateway.output(&task).await.is_empty());
    let ledger = sandbox.ledger().await;
    assert_eq!((ledger.accepted(prompt), ledger.calls("media")), (1, 2));
}

#[tokio::test]
async fn a_success_is_kept_with_its_result() {
    let (mut sandbox, mut gateway) = house().await;
    let before = gateway.succeeded("images", &image("keep me")).await;
    let picture = gateway.output(&before).await;

    gateway.kill();
    sandbox.kill();
    gateway.restart().await;
    let after = gateway.poll("images", before["task_id"].as_str().unwrap()).await;
    assert_eq!((&after["status"], &after["finish_time"]), (&json!("SUCCESS"), &before["finish_time"]));
    assert_eq!(gateway.output(&after).await, picture, "the copy is ours, the upstream is gone");
}

#[tokio::test]
async fn an_upstream_that_restarts_is_waited_for() {
    let (mut sandbox, gateway) = house().await;
    let prompt = "[sandbox:slow=2s]";
    let id = gateway.create("images", &image(prompt)).await;
    gateway.until("images", &id, |task| task["start_time"] != 0).await;
    sandbox.kill();
    eventually("polls that found nobody", async || {
        let unclear = gateway.metric("filmgate_polls_total", &[("outcome", "unclear")]).await;
        (unclear > 1.0).then_some(())
    })
    .await;
    assert_eq!(gateway.poll("images", &id).await["status"], "IN_PROGRESS");
    sandbox.restart("").await;
    assert_eq!(gateway.ended("images", &id).await["status"], "SUCCESS");
    assert_eq!(sandbox.ledger().await.accepted(prompt), 1);
}

/// The gateway under a run of kills, and the tasks that it said it had accepted.
struct Run {
    dice: fastrand::Rng,
    sandbox: SandboxProcess,
    gateway: Gateway,
    /// Prompts and ids, in the order of acceptance.
    accepted: Vec<(String, String)>,
    asked: usize,
}

const KILLS: usize = 8;
const TASKS_EACH: usize = 8;

impl Run {
    /// Asks for tasks, all at once, and kills the gateway some time meanwhile or a little later.
    async fn round(&mut self) {
        let client = self.gateway.client().clone();
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..TASKS_EACH {
            let prompt = format!("task {}", self.asked);
            self.asked += 1;
            let request = client.post_request("/v2/images/generations", image(&prompt).to_string());
            let client = client.clone();
            asking.spawn(async move { (prompt, client.try_call(request).await) });
        }
        // The moment of the kill is what is random here; nothing waits for anything.
        tokio::time::sleep(Duration::from_millis(self.dice.u64(5..900))).await;
        self.gateway.kill();
        for (prompt, reply) in asking.join_all().await {
            if let Ok(reply) = reply {
                let id = reply.json()["task_id"].as_str().unwrap_or_else(|| panic!("{reply:?}")).to_owned();
                self.accepted.push((prompt, id));
            }
        }
    }

    /// How many of the accepted tasks have not ended; every one of them must be known.
    async fn live(&self) -> usize {
        let mut live = 0;
        for (_, id) in &self.accepted {
            let task = self.gateway.poll("images", id).await;
            live += usize::from(task["status"] == "NOT_START" || task["status"] == "IN_PROGRESS");
        }
        live
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_random_moments_lose_nothing_and_submit_nothing_twice() {
    // Answers that linger let kills meet submits in flight.
    let faults = "submit:latency=300ms".to_owned();
    let sandbox =
        SandboxProcess::with(SandboxOptions { faults, generation_s: 0.6, ..SandboxOptions::default() }).await;
    let mut config = config(&sandbox.url());
    config["accounts"][1]["concurrent_tasks"] = json!(6);
    let gateway = Gateway::with_config(config).await;
    let mut run =
        Run { dice: fastrand::Rng::with_seed(0x0F11_6A7E), sandbox, gateway, accepted: Vec::new(), asked: 0 };

    let mut kills_that_mattered = 0;
    for _ in 0..KILLS {
        run.round().await;
        run.gateway.restart().await;
        kills_that_mattered += usize::from(run.live().await > 0);
    }
    assert!(kills_that_mattered >= KILLS / 2, "only {kills_that_mattered} kills met live tasks");
    assert!(run.accepted.len() >= TASKS_EACH, "only {} tasks were accepted", run.accepted.len());

    let mut ends: Vec<(String, Value)> = Vec::new();
    for (prompt, id) in &run.accepted {
        ends.push((prompt.clone(), run.gateway.ended("images", id).await));
    }
    let ledger = run.sandbox.ledger().await;
    let mut held = 0;
    for (prompt, task) in &ends {
        if task["status"] == "SUCCESS" {
            assert_eq!(ledger.accepted(prompt), 1, "{prompt}: {task}");
        } else {
            assert_eq!(task["fail_reason"], HELD, "{prompt}: {task}");
            held += 1;
        }
    }
    assert!(held > 0, "no kill met a submit in flight");
    assert!(held < ends.len(), "no task came through");
    // Those whose answer was lost may have been accepted, too, but no more than once.
    for number in 0..run.asked {
        assert!(ledger.accepted(&format!("task {number}")) <= 1, "task {number} was submitted twice");
    }
}
