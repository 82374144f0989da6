//! Scenarios of several gateways on one store.

use std::time::Duration;

use serde_json::{Value, json};
use tests::config::{config, image};
use tests::house::Fleet;
use tests::{Gateway, SandboxProcess, eventually};
use tokio::task::JoinSet;

/// Between two tasks, until one has met the gateway that stops itself.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// Short leases, and for those who find a lost answer time to do so.
fn hasty(config: &mut Value) {
    config["tasks"] = json!({
        "lease": "2s", "connect_timeout": "1s", "submit_timeout": "1s", "poll_timeout": "2s", "result_timeout": "5s",
        "unknown_hold": "8s", "look_after": "200ms", "attempts_max": 20, "crashes_max": 1000, "late_watch": "0s",
    });
}

/// Two gateways, the first of which stops itself at a point; goes on when others have taken over and doubt its
/// submission, and has been let go on then.
async fn stopped_at(point: &'static str, change: impl Fn(&mut Value)) -> Fleet {
    let arm = move |number, options: tests::Options| match number {
        0 => options.variable("FILMGATE_STOP_AT", point),
        _ => options,
    };
    let mut fleet = Fleet::of(2, "", change, arm).await;
    let mut asking = JoinSet::new();
    eventually("a gateway that stops itself", async || {
        // Nobody waits for the answers: some are to come from the one that has stopped.
        fleet.ask(1, &[""], &mut asking);
        tokio::time::sleep(ASK_EVERY).await;
        fleet.gateways[0].is_stopped().then_some(())
    })
    .await;
    eventually("a submission in doubt", async || (fleet.ever_in("unknown") > 0).then_some(())).await;
    fleet
}

/// The intent is stored, and when the gateway goes on another one has submitted the task, as its operator wants.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lease_outlasts() {
    let change = |config: &mut Value| {
        hasty(config);
        config["tasks"]["unknown_hold"] = json!("500ms");
        for account in config["accounts"].as_array_mut().into_iter().flatten() {
            account["on_unknown"] = json!("resubmit");
        }
    };
    let fleet = stopped_at("intent_stored", change).await;
    eventually("the end of all tasks elsewhere", async || (fleet.unfinished() == 0).then_some(())).await;
    fleet.gateways[0].resume();
    let (outcome, _) = fleet.settle().await;
    assert_eq!(outcome.verdict.of("I2").violations, [""; 0]);
}

/// The upstream's id has come, and when the gateway goes on to store it another one has the task and doubts that there is
/// any. Then the gateway that knows is gone, and no callback of the upstream names the id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pass_on() {
    let change = |config: &mut Value| {
        hasty(config);
        config["server"]["upstream_callbacks"] = json!(false);
        // The first answer that the gateway gets is to a submission, not to a poll.
        for account in config["accounts"].as_array_mut().into_iter().flatten() {
            account["poll"]["first"] = json!("5s");
        }
    };
    let mut fleet = stopped_at("before_running", change).await;
    fleet.gateways[0].resume();
    let id = eventually("a refused write", async || {
        let log = fleet.gateways[0].stderr();
        let refused = log.lines().find(|line| line.contains("another worker has gone on with the task"))?;
        refused.rsplit_once("task_id=").map(|(_, id)| id.trim().to_owned())
    })
    .await;
    fleet.gateways[0].kill();
    eventually("the end of all tasks elsewhere", async || (fleet.unfinished() == 0).then_some(())).await;
    fleet.gateways[0].set_variable("FILMGATE_STOP_AT", None);
    fleet.restart(0).await;
    let (_, history) = fleet.settle().await;
    let task = history.books.tasks.iter().find(|task| task.id == id);
    assert_eq!(task.map(|task| &*task.state), Some("succeeded"), "its answer was lost: {task:?}");
}

/// The gateway that has a task's slot is killed, and another one ends the task.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reconcile_slots() {
    let key = "the-operator-s-own-key-of-this-story";
    let arm = move |_, options: tests::Options| options.variable("FILMGATE_ADMIN_KEY", key);
    let mut fleet = Fleet::of(2, "", hasty, arm).await;
    let id = fleet.gateways[1].create("images", &image("[sandbox:slow=3s]")).await;
    fleet.gateways[1].until("images", &id, |task| task["start_time"] != 0).await;
    let holder = fleet.last_writer(&id);
    fleet.gateways[holder].kill();
    let other = &fleet.gateways[1 - holder];
    assert_eq!(other.ended("images", &id).await["status"], "SUCCESS");
    let accounts = other.operator().with_key(key).get("/admin/accounts").await.json();
    let listed = accounts["accounts"].as_array().unwrap_or_else(|| panic!("no accounts in {accounts}"));
    let in_use: Vec<u64> = listed.iter().filter_map(|account| account["slots_in_use"].as_u64()).collect();
    assert!(!in_use.is_empty(), "{accounts}");
    assert_eq!(in_use.iter().sum::<u64>(), 0, "a slot is held for a task that has ended");
    fleet.restart(holder).await;
}

/// A task waits for its turn in a gateway that is told to stop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hand_over() {
    let sandbox = SandboxProcess::start().await;
    let mut config: Value = config(&sandbox.url());
    config["accounts"][1]["concurrent_tasks"] = json!(1);
    config["tasks"]["submit_timeout"] = json!("1s");
    config["callbacks"]["timeout"] = json!("1s");
    let mut gateway = Gateway::with_config(config).await;
    let first = gateway.create("images", &image("[sandbox:never]")).await;
    gateway.until("images", &first, |task| task["start_time"] != 0).await;
    gateway.create("images", &image("second")).await;
    eventually("a queue", async || {
        (gateway.metric("filmgate_queue_tasks", &[("account", "v2")]).await == 1.0).then_some(())
    })
    .await;
    gateway.terminate();
    gateway.exit().await;
    let waits = tests::history::Books::waiting(&gateway.data()).expect("the store can be read");
    assert_eq!(waits, 0, "a task waits for a process that has ended");
}
