//! Accounts that refuse, fail or are busy are left alone; their tasks go elsewhere where that cannot cost twice.

use serde_json::{Value, json};
use tests::config::{account, image, model, of, route};
use tests::listener::Listener;
use tests::{Gateway, SandboxProcess, eventually};

const STANDING: &str = "filmgate_account_standing";

/// Two accounts for images, tried in this order.
fn config(first: &str, second: &str) -> Value {
    let accounts = vec![account("first", "v2", first), account("second", "v2", second)];
    of(accounts, vec![route(model::V2_IMAGE, &["first", "second"])])
}

/// One for images.
fn single(url: &str) -> Value {
    of(vec![account("first", "v2", url)], vec![route(model::V2_IMAGE, &["first"])])
}

/// Makes a task and waits for its end.
async fn ended(gateway: &Gateway, prompt: &str) -> Value {
    let id = gateway.create("images", &image(prompt)).await;
    gateway.ended("images", &id).await
}

async fn stands(gateway: &Gateway, name: &str, standing: &str) -> bool {
    gateway.metric(STANDING, &[("account", name), ("standing", standing)]).await == 1.0
}

#[tokio::test]
async fn an_account_that_refuses_us_is_out_is_said_to_be_and_costs_no_task() {
    for (status, standing, logged) in [
        (&[401][..], "out_credential", "refuses our credential"),
        (&[403], "out_credential", "refuses our credential"),
        (&[402], "out_money", "has no money left"),
    ] {
        let (refusing, sandbox) = (Listener::start(status).await, SandboxProcess::start().await);
        let gateway = Gateway::with_config(config(refusing.url(), &sandbox.url())).await;
        for number in 0..5 {
            assert_eq!(ended(&gateway, &format!("number {number}")).await["status"], "SUCCESS");
        }
        assert_eq!(sandbox.ledger().await.len(), 5);
        assert_eq!(refusing.heard().len(), 1, "it is asked once");
        assert!(stands(&gateway, "first", standing).await && stands(&gateway, "second", "ready").await);
        let failovers = gateway.metric("filmgate_failovers_total", &[("from", "first")]).await;
        assert_eq!(failovers, 1.0);
        let log = gateway.stderr();
        assert!(log.contains(logged) && log.contains("first"), "{log}");
    }
}

#[tokio::test]
async fn an_account_that_fails_is_left_alone_until_a_probe_finds_it_well_and_nothing_lost_is_made_again() {
    let (mut failing, spare) =
        (SandboxProcess::with_faults("submit:error").await, SandboxProcess::start().await);
    let mut config = config(&failing.url(), &spare.url());
    config["health"] =
        json!({ "failures_max": 3, "eject_for": "4s", "eject_for_max": "4s", "slow_start": "0s" });
    let gateway = Gateway::with_config(config).await;
    for number in 0..3 {
        let task = ended(&gateway, &format!("lost {number}")).await;
        assert_eq!(task["status"], "FAILURE", "{task}");
    }
    let changes = async |change: &str| {
        gateway.metric("filmgate_account_changes_total", &[("account", "first"), ("change", change)]).await
    };
    assert_eq!(changes("ejected").await, 1.0);
    // Each of these may go to the spare one or be a probe, which fails.
    let mut probes = 0;
    for number in 0..10 {
        let task = ended(&gateway, &format!("spared {number}")).await;
        probes += u64::from(task["status"] == "FAILURE");
    }
    assert_eq!(changes("ejected").await, 1.0 + probes as f64, "a probe that fails is all that is tried");
    assert_eq!(failing.ledger().await.calls("v2.submit"), 3 + probes);
    let made = spare.ledger().await;
    assert_eq!(made.len() as u64, 10 - probes);
    assert!((0..3).all(|number| made.accepted(&format!("lost {number}")) == 0), "{made:?}");

    failing.restart("").await;
    let mut number = 0;
    eventually("the account is back", async || {
        number += 1;
        let task = ended(&gateway, &format!("again {number}")).await;
        assert_eq!(task["status"], "SUCCESS", "{task}");
        (changes("readmitted").await == 1.0).then_some(())
    })
    .await;
    assert!(stands(&gateway, "first", "ready").await);
}

#[tokio::test]
async fn a_busy_upstream_gets_the_pause_that_it_asks_for() {
    // It asks for one second.
    let mut busy = SandboxProcess::with_faults("submit:429").await;
    let gateway = Gateway::with_config(single(&busy.url())).await;
    let mut ids = vec![gateway.create("images", &image("the first one")).await];
    let calls = async || busy.ledger().await.calls("v2.submit");
    eventually("the first refusal", async || (calls().await == 1).then_some(())).await;
    for number in 0..30 {
        ids.push(gateway.create("images", &image(&format!("number {number}"))).await);
    }
    let began = std::time::Instant::now();
    eventually("some more refusals", async || (calls().await >= 4).then_some(())).await;
    // After each pause one tries, or two if they do so at the same moment; without pauses it would be all, all the time.
    let (made, pauses) = (calls().await, began.elapsed().as_secs() + 2);
    assert!(made <= 2 * pauses + 2, "{made} submissions in {pauses} pauses");
    busy.restart("").await;
    for id in ids {
        assert_eq!(gateway.ended("images", &id).await["status"], "SUCCESS");
    }
    assert_eq!(busy.ledger().await.len(), 31);
}

#[tokio::test]
async fn content_that_one_account_refuses_goes_to_another_only_where_the_route_says_so() {
    for policy_failover in [false, true] {
        let (strict, lax) = (SandboxProcess::with_faults("policy").await, SandboxProcess::start().await);
        let mut config = config(&strict.url(), &lax.url());
        config["routes"][0]["policy_failover"] = json!(policy_failover);
        let gateway = Gateway::with_config(config).await;
        let task = ended(&gateway, "a doubtful one").await;
        assert_eq!(task["status"], if policy_failover { "SUCCESS" } else { "FAILURE" }, "{task}");
        assert_eq!(strict.ledger().await.len(), 1);
        assert_eq!(lax.ledger().await.len(), usize::from(policy_failover));
        assert!(stands(&gateway, "first", "ready").await, "that tells nothing of the account");
    }
}

#[tokio::test]
async fn a_task_has_no_more_attempts_than_its_route_allows() {
    for (attempts_max, status) in [(1, "FAILURE"), (2, "SUCCESS")] {
        let (failing, sandbox) = (SandboxProcess::with_faults("fail").await, SandboxProcess::start().await);
        let mut config = config(&failing.url(), &sandbox.url());
        config["routes"][0]["attempts_max"] = json!(attempts_max);
        let gateway = Gateway::with_config(config).await;
        let task = ended(&gateway, "one").await;
        assert_eq!(task["status"], status, "{task}");
        assert_eq!(failing.ledger().await.len() + sandbox.ledger().await.len(), attempts_max);
    }
}

#[tokio::test]
async fn a_task_is_not_tried_again_for_more_than_it_may_cost() {
    for (price_max, status) in [("0.7", "FAILURE"), ("0.8", "SUCCESS")] {
        let (lossy, sandbox) =
            (SandboxProcess::with_faults("submit:cut").await, SandboxProcess::start().await);
        let mut config = config(&lossy.url(), &sandbox.url());
        // Whether the first attempt has to be paid is never known.
        config["accounts"][0]["on_unknown"] = json!("resubmit");
        config["routes"][0]["accounts"] =
            json!([{ "account": "first", "price": "0.4" }, { "account": "second", "price": "0.4" }]);
        config["routes"][0]["price_max"] = json!(price_max);
        let gateway = Gateway::with_config(config).await;
        let task = ended(&gateway, "one").await;
        assert_eq!(task["status"], status, "{task}");
        assert_eq!(sandbox.ledger().await.len(), usize::from(status == "SUCCESS"));
        let told = task.to_string();
        assert!(!told.contains("first") && !told.contains("second"), "{told}");
    }
}
