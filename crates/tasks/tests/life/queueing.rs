//! Tasks that wait for room at an account: whose turn it is, and that none of them is forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::{Account, AccountName, Draft, FailureKind, Task, TaskId};
use limits::{Holding, LimitKey, Limiter as _};

use crate::CLIP;
use crate::stage::{PATIENCE, Stage, account, client, draft};
use crate::upstream::{Answer, Upstream};

const SUBMIT: &str = "POST /v2/videos/generations";

/// Lets the tasks of an upstream end.
#[derive(Clone, Default)]
struct Gate(Arc<AtomicBool>);

impl Gate {
    fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// An upstream that takes everything, and finishes nothing before this is open.
    async fn upstream(&self) -> Upstream {
        let gate = self.clone();
        Upstream::start(move |call, seen| match call {
            SUBMIT => Answer::json(200, &format!(r#"{{"task_id":"up-{seen}"}}"#)),
            call if call.starts_with("GET /v2/videos/generations/") => {
                let running = || Answer::json(200, r#"{"status":"IN_PROGRESS"}"#);
                if gate.0.load(Ordering::SeqCst) { Answer::finished() } else { running() }
            }
            _ => Answer::bytes(CLIP),
        })
        .await
    }
}

/// An account with one slot.
fn narrow(name: &str, up: &Upstream) -> Account {
    Account { concurrent_tasks: 1, ..account(name, &up.url) }
}

async fn accept(stage: &Stage, owner: &str, prompt: &str) -> TaskId {
    let draft = Draft { prompt: prompt.into(), ..draft() };
    stage.service.create(&client(owner), "v2", draft, None).await.unwrap().task.id
}

async fn ended(stage: &Stage, owner: &str, id: &TaskId) -> Task {
    let waited = stage.service.wait(&client(owner), id, PATIENCE).await.unwrap();
    assert!(waited.state.is_terminal(), "{:?}", waited.state);
    Task::clone(&*waited)
}

/// The prompts of the submissions, in the order in which they came.
fn prompts(up: &Upstream) -> Vec<String> {
    let prompt = |request: String| {
        let (_, body) = request.split_once("\r\n\r\n").unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        body["prompt"].as_str().unwrap().to_owned()
    };
    up.requests(SUBMIT).into_iter().map(prompt).collect()
}

#[tokio::test]
async fn a_client_with_many_tasks_lets_others_have_their_turn() {
    let gate = Gate::default();
    let up = gate.upstream().await;
    let stage = Stage::new(vec![narrow("a", &up)]).await;
    let _worker = stage.work();
    let mut tasks = vec![("owner", accept(&stage, "owner", "heavy 00").await)];
    stage.until(&tasks[0].1, |task| task.attempts.len() == 1).await;
    for number in 1..20 {
        tasks.push(("owner", accept(&stage, "owner", &format!("heavy {number:02}")).await));
    }
    stage.until_queued("a", 19.0).await;
    for owner in ["one", "two"] {
        for number in 0..2 {
            tasks.push((owner, accept(&stage, owner, &format!("{owner} {number}")).await));
        }
        stage.until_queued("a", if owner == "one" { 21.0 } else { 23.0 }).await;
    }
    gate.open();
    for (owner, id) in &tasks {
        assert_eq!(ended(&stage, owner, id).await.state.name(), "succeeded");
    }
    let turns = ["heavy 00", "heavy 01", "one 0", "two 0", "heavy 02", "one 1", "two 1"].map(str::to_owned);
    let expected: Vec<String> =
        turns.into_iter().chain((3..20).map(|number| format!("heavy {number:02}"))).collect();
    assert_eq!(prompts(&up), expected);
}

#[tokio::test]
async fn a_task_waits_for_every_account_that_may_serve_it_and_nobody_is_faster() {
    let (shut, gate) = (Gate::default(), Gate::default());
    let (stuck, up) = (shut.upstream().await, gate.upstream().await);
    let stage = Stage::new(vec![narrow("stuck", &stuck), narrow("a", &up)]).await;
    let _worker = stage.work();
    let mut tasks = Vec::new();
    for number in 0..6 {
        tasks.push(accept(&stage, "owner", &format!("number {number}")).await);
    }
    stage.until_queued("stuck", 4.0).await;
    stage.until_queued("a", 4.0).await;
    gate.open();
    let mut succeeded = 0;
    for id in &tasks {
        let is_stuck =
            |task: &Task| task.attempt().is_some_and(|attempt| attempt.plan.account.as_str() == "stuck");
        let task = stage.until(id, |task| task.state.is_terminal() || is_stuck(task)).await;
        succeeded += usize::from(task.state.name() == "succeeded");
    }
    assert_eq!((succeeded, stuck.seen(SUBMIT), up.seen(SUBMIT)), (5, 1, 5));
}

#[tokio::test]
async fn nobody_takes_a_slot_while_another_waits_for_it() {
    let gate = Gate::default();
    let up = gate.upstream().await;
    let stage = Stage::new(vec![narrow("a", &up)]).await;
    // Another gateway has the only slot, and gives it back without a word.
    let keys = vec![LimitKey::Account(AccountName::new("a"))];
    let elsewhere = Holding { task: TaskId::new("elsewhere"), keys: keys.clone() };
    stage.limiter.hold(std::slice::from_ref(&elsewhere), PATIENCE).await;
    let _worker = stage.work();
    let mut tasks = vec![("first", accept(&stage, "first", "first").await)];
    stage.until_queued("a", 1.0).await;
    stage.limiter.release(&elsewhere).await;
    for owner in ["second", "third"] {
        tasks.push((owner, accept(&stage, owner, owner).await));
    }
    gate.open();
    for (owner, id) in &tasks {
        assert_eq!(ended(&stage, owner, id).await.state.name(), "succeeded");
    }
    assert_eq!(prompts(&up)[0], "first");
}

#[tokio::test]
async fn a_full_queue_refuses_new_tasks_and_drops_none_of_the_others() {
    let gate = Gate::default();
    let up = gate.upstream().await;
    let stage = Stage::new(vec![narrow("a", &up)]).await;
    stage.change(|setup| setup.queue_max = 2);
    let _worker = stage.work();
    let mut tasks = vec![accept(&stage, "owner", "number 0").await];
    stage.until(&tasks[0], |task| task.attempts.len() == 1).await;
    for number in 1..3 {
        tasks.push(accept(&stage, "owner", &format!("number {number}")).await);
    }
    stage.until_queued("a", 2.0).await;
    let refused = stage.service.create(&client("other"), "v2", draft(), None).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Overloaded);
    assert!(refused.retry_after.is_some());
    gate.open();
    for id in &tasks {
        assert_eq!(ended(&stage, "owner", id).await.state.name(), "succeeded");
    }
    accept(&stage, "other", "there is room again").await;
}

#[tokio::test]
async fn a_task_that_is_cancelled_while_it_waits_leaves_its_place_to_the_next() {
    let gate = Gate::default();
    let up = gate.upstream().await;
    let stage = Stage::new(vec![narrow("a", &up)]).await;
    let _worker = stage.work();
    let first = accept(&stage, "owner", "first").await;
    stage.until(&first, |task| task.attempts.len() == 1).await;
    let (cancelled, last) =
        (accept(&stage, "owner", "cancelled").await, accept(&stage, "owner", "last").await);
    stage.until_queued("a", 2.0).await;
    stage.service.cancel(&client("owner"), &cancelled).await.unwrap();
    assert_eq!(ended(&stage, "owner", &cancelled).await.state.name(), "cancelled");
    stage.until_queued("a", 1.0).await;
    gate.open();
    assert_eq!(ended(&stage, "owner", &last).await.state.name(), "succeeded");
    assert_eq!(prompts(&up), ["first", "last"]);
}

#[tokio::test]
async fn tasks_that_waited_when_the_process_ended_come_back_by_themselves() {
    let gate = Gate::default();
    let up = gate.upstream().await;
    let stage = Stage::new(vec![narrow("a", &up)]).await;
    let worker = stage.work();
    let mut tasks = vec![accept(&stage, "owner", "number 0").await];
    stage.until(&tasks[0], |task| task.state.name() == "running").await;
    for number in 1..3 {
        tasks.push(accept(&stage, "owner", &format!("number {number}")).await);
    }
    stage.until_queued("a", 2.0).await;
    drop(worker);
    let stage = stage.restart().await;
    gate.open();
    let _worker = stage.work();
    for id in &tasks {
        assert_eq!(ended(&stage, "owner", id).await.state.name(), "succeeded");
    }
    assert_eq!(up.seen(SUBMIT), 3);
}
