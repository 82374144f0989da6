//! How tasks end that would not end by themselves, what comes after, and what is deleted in the end.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use http::StatusCode;
use serde_json::{Value, json};
use tests::config::{account, config, image, model, of, route, video};
use tests::{Finished, Gateway, Options, Process, SandboxProcess, eventually, figures};

const IMAGES: &str = "/v2/images/generations";
/// A model of `replicate`, which can be asked to stop.
const VIDEO: &str = "veo3.1-fast";
const CRASH_AT: &str = "FILMGATE_CRASH_AT";

/// `filmgate` with those words, beside a gateway.
async fn command(gateway: &Gateway, words: &[&str]) -> Finished {
    let mut command = Process::command();
    command.args(words).arg("--data").arg(gateway.data()).arg("--config").arg(gateway.config_file());
    Process::run(command.env("UPSTREAM_KEY", "any")).await
}

/// What it lists, without the head.
async fn listed(gateway: &Gateway, words: &[&str]) -> Vec<String> {
    let said = command(gateway, words).await;
    assert!(said.status.success(), "{said:?}");
    said.stdout.lines().skip(1).map(str::to_owned).collect()
}

/// The rows of the ledger: kind, amount, account.
async fn ledger(gateway: &Gateway) -> Vec<[String; 3]> {
    let said = command(gateway, &["ledger", "export", "--format", "json"]).await;
    let rows: Vec<Value> = serde_json::from_str(&said.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    rows.iter().map(|row| ["kind", "amount", "account"].map(|field| text(&row[field]))).collect()
}

#[tokio::test]
async fn tasks_that_never_finish_are_closed_at_their_deadline_and_hold_nothing() {
    const TASKS: usize = 20;
    let sandbox = SandboxProcess::with_faults("never").await;
    let base_url = format!("{}/replicate", sandbox.url());
    let mut config = of(vec![account("main", "replicate", &base_url)], vec![route(VIDEO, &["main"])]);
    config["tasks"]["task_deadline"] = json!("3s");
    config["limits"]["concurrent_tasks"] = json!(TASKS);
    let gateway = Gateway::with_config(config).await;
    for round in 0..2 {
        let mut made = Vec::new();
        // The second round is accepted only if the first one has left no place taken.
        for number in 0..TASKS {
            made.push(gateway.create("videos", &video(&format!("clip {round}.{number}"), VIDEO)).await);
        }
        for id in &made {
            let task = gateway.ended("videos", id).await;
            assert_eq!(task["status"], "FAILURE", "{task}");
        }
    }
    let expired = gateway.metric("filmgate_tasks_ended_total", &[("state", "expired")]).await;
    assert_eq!(expired, 2.0 * TASKS as f64);
    let upstream = sandbox.ledger().await;
    assert_eq!(
        upstream.len(),
        upstream.calls("replicate.cancel") as usize,
        "each that was taken was asked to stop"
    );
    assert!(upstream.len() >= TASKS, "{}", upstream.len());
    figures::note("never_ending", json!({ "n": 2 * TASKS, "failures": 0, "asked_to_stop": upstream.len() }));
}

/// A gateway whose images cost 0.4 and have 2 seconds.
fn priced(url: &str) -> Value {
    let mut route = route(model::V2_IMAGE, &[]);
    route["accounts"] = json!([{ "account": "main", "price": "0.40" }]);
    let mut config = of(vec![account("main", "v2", url)], vec![route]);
    config["tasks"]["task_deadline"] = json!("2s");
    config["tasks"]["unknown_hold"] = json!("1s");
    config["tasks"]["late_look_after"] = json!("300ms");
    config["tasks"]["late_look_max"] = json!("300ms");
    config
}

fn row(kind: &str, amount: &str, account: &str) -> [String; 3] {
    [kind, amount, account].map(str::to_owned)
}

#[tokio::test]
async fn a_late_success_is_entered_once_and_kept_whatever_dies_meanwhile() {
    let sandbox = SandboxProcess::start().await;
    // It dies when the end is known and not stored; at some write; when the late result is copied and nobody knows of it.
    for point in ["before_end", "before_commit=12", "result_copied"] {
        let options = Options::config(priced(&sandbox.url())).variable(CRASH_AT, point);
        let mut gateway = Gateway::start(options).await;
        let id = gateway.create("images", &image("late [sandbox:slow=5s]")).await;
        gateway.exit().await;
        gateway.set_variable(CRASH_AT, None);
        gateway.restart().await;
        let late =
            eventually("a late result", async || listed(&gateway, &["late", "list"]).await.pop()).await;
        assert!(late.starts_with(&id) && late.contains(" main ") && late.contains(" 0.4 "), "{late}");
        let before = gateway.ended("images", &id).await;
        assert_eq!(before["status"], "FAILURE", "{before}");
        let rows =
            [row("reserve", "0.4", "-"), row("release", "0.4", "-"), row("late_adjustment", "0.4", "main")];
        assert_eq!(ledger(&gateway).await, rows, "{point}");
        let url = late.split_whitespace().last().unwrap();
        let file = gateway.client().without_key().get(url).await;
        assert_eq!(file.status, StatusCode::OK, "{url}");
        gateway.restart().await;
        assert_eq!(ledger(&gateway).await, rows, "and no more of it after another restart");
        assert_eq!(gateway.poll("images", &id).await, before, "the end stays what it was");
    }
}

#[tokio::test]
async fn a_task_that_makes_steps_panic_is_put_aside_and_its_neighbours_go_on() {
    const NEIGHBOURS: usize = 8;
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    config["tasks"]["task_deadline"] = json!("20s");
    let options = Options::config(config).variable("FILMGATE_PANIC_ON", "poison");
    let gateway = Gateway::start(options).await;
    let poison = gateway.create("images", &image("poison")).await;
    let mut neighbours = Vec::new();
    for number in 0..NEIGHBOURS {
        neighbours.push(gateway.create("images", &image(&format!("neighbour {number}"))).await);
    }
    for id in &neighbours {
        assert_eq!(gateway.ended("images", id).await["status"], "SUCCESS");
    }
    eventually("a task in quarantine", async || {
        (gateway.metric("filmgate_tasks_quarantined", &[]).await == 1.0).then_some(())
    })
    .await;
    let quarantined = listed(&gateway, &["quarantine", "list"]).await;
    assert!(quarantined.len() == 1 && quarantined[0].starts_with(&poison), "{quarantined:?}");
    assert_eq!(gateway.metric("filmgate_step_panics_total", &[]).await, 3.0);
    assert_eq!(gateway.poll("images", &poison).await["status"], "NOT_START", "its client sees it wait");
    assert_eq!(sandbox.ledger().await.accepted("poison"), 0);
    // Its deadline ends it, although whatever touches it panics.
    assert_eq!(gateway.ended("images", &poison).await["status"], "FAILURE");
    assert_eq!(gateway.metric("filmgate_step_panics_total", &[]).await, 3.0);
    let unknown = command(&gateway, &["quarantine", "release", &poison]).await;
    assert!(!unknown.status.success(), "it has ended: {unknown:?}");
    figures::note("quarantine", json!({ "n": NEIGHBOURS, "failures": 0, "quarantined": 1 }));
}

#[tokio::test]
async fn a_task_that_ends_the_process_does_so_three_times_and_then_the_gateway_stays_up() {
    let sandbox = SandboxProcess::start().await;
    let options = Options::config(config(&sandbox.url())).variable(CRASH_AT, "before_intent");
    let mut gateway = Gateway::start(options).await;
    let client = gateway.client().clone();
    let _the_answer_may_be_lost =
        client.try_call(client.post_request(IMAGES, image("deadly").to_string())).await;
    gateway.exit().await;
    let mut deaths = 1;
    loop {
        if gateway.try_restart().await.is_ok() {
            let is_up = eventually("a death, or a task in quarantine", async || {
                if gateway.has_ended() {
                    return Some(false);
                }
                let listed = listed(&gateway, &["quarantine", "list"]).await;
                (listed.len() == 1).then_some(true)
            })
            .await;
            // It may have been listed by a process that was about to die.
            if is_up && !gateway.has_ended() {
                break;
            }
            if !is_up {
                gateway.exit().await;
            }
        }
        deaths += 1;
        assert!(deaths <= 3, "it dies on");
    }
    assert_eq!(deaths, 3);
    assert!(
        gateway.client().get(&format!("{IMAGES}/none")).await.status == StatusCode::NOT_FOUND,
        "it serves"
    );

    // Pardoned, it goes on where nothing kills it.
    gateway.set_variable(CRASH_AT, None);
    gateway.restart().await;
    let line = listed(&gateway, &["quarantine", "list"]).await.remove(0);
    let id = line.split_whitespace().next().unwrap().to_owned();
    assert_eq!(gateway.poll("images", &id).await["status"], "NOT_START");
    let released = command(&gateway, &["quarantine", "release", &id]).await;
    assert!(released.status.success(), "{released:?}");
    assert_eq!(gateway.ended("images", &id).await["status"], "SUCCESS");
    assert_eq!(sandbox.ledger().await.accepted("deadly"), 1);
}

#[tokio::test]
async fn what_is_past_its_time_is_gone_for_clients_and_stays_in_the_ledger() {
    let sandbox = SandboxProcess::start().await;
    let mut config = priced(&sandbox.url());
    config["tasks"]["task_deadline"] = json!("60s");
    config["retention"] = json!({ "tasks": "2s", "results": "2s", "sweep_every": "200ms", "batch_max": 2 });
    let gateway = Gateway::with_config(config).await;
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(gateway.succeeded("images", &image(&format!("old {number}"))).await);
    }
    let live = gateway.create("images", &image("live [sandbox:never]")).await;
    for task in &made {
        let (id, url) = (task["task_id"].as_str().unwrap(), task["data"]["output"].as_str().unwrap());
        eventually("a task that is gone", async || {
            let reply = gateway.client().get(&format!("{IMAGES}/{id}")).await;
            (reply.status == StatusCode::NOT_FOUND).then_some(())
        })
        .await;
        let file = gateway.client().without_key().get(url).await;
        assert_eq!(file.status, StatusCode::NOT_FOUND, "{url}");
    }
    assert_eq!(gateway.poll("images", &live).await["task_id"], json!(live));
    let captured = ledger(&gateway).await.iter().filter(|row| row[0] == "capture").count();
    assert_eq!(captured, made.len());
}
