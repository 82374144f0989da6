//! Never two submissions of one task that may both cost money.

use domain::{AccountName, Attempt, AttemptOutcome, NewAttempt, OwnerId, TaskEvent, TaskId};

use super::Harness;
use super::samples::{
    AT, LEASE, NOW, accepted, advance, apply, claim_all, claim_one, create, intended, load, plan, task,
};
use crate::{Ending, LateWord, LiveHolding, Next, StoreError};

/// Whatever the first is: intended, unknown or accepted.
pub async fn a_second_live_attempt_is_refused_and_changes_nothing(harness: &mut dyn Harness) {
    let store = harness.store();
    let keep = Next::Keep { lease: LEASE };
    create(&*store, &task("a", "ann")).await;
    let mut claim = claim_one(&*store).await;
    let steps = [intended("first"), TaskEvent::SubmitUnknown { reason: "reset".into() }, accepted("h")];
    for event in steps {
        advance(&*store, &mut claim, event, keep).await;
        let mut second = claim.task.clone();
        let outcome = AttemptOutcome::Intended;
        second.attempts.push(Attempt { number: 2, plan: plan("second"), intended_at: AT, outcome });
        let refused = store.advance(&second, claim.epoch, keep, None).await;
        assert!(matches!(refused, Err(StoreError::SecondLiveAttempt)), "{refused:?}");
        assert_eq!(load(&*store, &claim.task.id).await, claim.task);
    }
}

/// In one write with the failure, or after it.
pub async fn another_attempt_may_follow_a_failed_one(harness: &mut dyn Harness) {
    let store = harness.store();
    let keep = Next::Keep { lease: LEASE };
    create(&*store, &task("a", "ann")).await;
    let mut claim = claim_one(&*store).await;
    advance(&*store, &mut claim, intended("first"), keep).await;
    advance(&*store, &mut claim, TaskEvent::SubmitNotSent { reason: "refused".into() }, keep).await;
    advance(&*store, &mut claim, intended("second"), keep).await;
    advance(&*store, &mut claim, accepted("h"), keep).await;
    super::samples::apply(&mut claim.task, TaskEvent::AttemptFailed { reason: "broken".into() });
    advance(&*store, &mut claim, intended("third"), keep).await;
    assert_eq!(load(&*store, &claim.task.id).await, claim.task);
    let live = store.live_holdings().await.expect("live holdings");
    assert_eq!(live, [holding("a", "ann", Some("third"))]);
}

fn holding(id: &str, owner: &str, account: Option<&str>) -> LiveHolding {
    LiveHolding {
        task: TaskId::new(id),
        owner: OwnerId::new(owner),
        model: "veo3.1".into(),
        account: account.map(AccountName::new),
    }
}

/// With no account if they have not been sent to one yet, or if that has failed.
pub async fn all_live_tasks_hold_and_ended_ones_do_not(harness: &mut dyn Harness) {
    let store = harness.store();
    assert_eq!(store.live_holdings().await.expect("live holdings"), []);
    for (id, owner) in
        [("queued", "ann"), ("unknown", "bob"), ("running", "ann"), ("failed", "ann"), ("cancelled", "ann")]
    {
        create(&*store, &task(id, owner)).await;
    }
    for mut claim in claim_all(&*store).await {
        let keep = Next::Keep { lease: LEASE };
        let id = claim.task.id.as_str().to_owned();
        if id != "queued" {
            advance(&*store, &mut claim, intended("main"), keep).await;
        }
        if id == "unknown" {
            advance(&*store, &mut claim, TaskEvent::SubmitUnknown { reason: "reset".into() }, NOW).await;
        } else if id != "queued" {
            advance(&*store, &mut claim, accepted(&id), keep).await;
        }
        match id.as_str() {
            "failed" => {
                advance(&*store, &mut claim, TaskEvent::AttemptFailed { reason: String::new() }, NOW).await;
            }
            "cancelled" => advance(&*store, &mut claim, TaskEvent::Cancelled, NOW).await,
            _ => {}
        }
    }
    harness.crash().await;
    let mut live = harness.store().live_holdings().await.expect("live holdings");
    live.sort_by(|one, other| one.task.as_str().cmp(other.task.as_str()));
    let expected = [
        holding("failed", "ann", None),
        holding("queued", "ann", None),
        holding("running", "ann", Some("main")),
        holding("unknown", "bob", Some("main")),
    ];
    assert_eq!(live, expected);
}

/// States in which no task is are left out, ended ones always.
pub async fn live_tasks_are_counted_by_state(harness: &mut dyn Harness) {
    let store = harness.store();
    assert_eq!(store.live_tasks().await.expect("live tasks"), []);
    for id in ["a", "b", "c", "d"] {
        create(&*store, &task(id, "ann")).await;
    }
    let mut claims = claim_all(&*store).await;
    advance(&*store, &mut claims[0], TaskEvent::Cancelled, NOW).await;
    advance(&*store, &mut claims[1], intended("main"), NOW).await;
    let mut live = store.live_tasks().await.expect("live tasks");
    live.sort();
    assert_eq!(live, [("queued".to_owned(), 2), ("submitting".to_owned(), 1)]);
}

/// What a task needs to be asked about, live or ended.
pub async fn versions_of_accounts_are_those_of_live_and_watched_attempts(harness: &mut dyn Harness) {
    let store = harness.store();
    for id in ["queued", "running", "failed", "watched", "settled"] {
        create(&*store, &task(id, "ann")).await;
    }
    for mut claim in claim_all(&*store).await {
        let id = claim.task.id.clone();
        let sent = NewAttempt { account_version: format!("of {id}"), ..plan("main") };
        let events = match id.as_str() {
            "queued" => vec![],
            "running" => vec![accepted("1")],
            "failed" => vec![accepted("2"), TaskEvent::AttemptFailed { reason: "broken".into() }],
            _ => vec![accepted(id.as_str()), TaskEvent::DeadlinePassed],
        };
        if id.as_str() != "queued" {
            apply(&mut claim.task, TaskEvent::SubmitIntended { plan: sent });
        }
        for event in events {
            apply(&mut claim.task, event);
        }
        let watch = claim.task.state.is_terminal().then_some(LEASE);
        let end = Ending { settlement: claim.task.settlement(), watch, ..Ending::default() };
        let end = watch.map(|_| &end);
        store.advance(&claim.task, claim.epoch, Next::Due { after: LEASE }, end).await.expect("advance");
    }
    for watch in store.claim_late(LEASE, 2).await.expect("claim") {
        if watch.task.id.as_str() == "settled" {
            store.settle_late(&watch, &LateWord::GivenUp).await.expect("settle");
        }
    }
    let mut versions = store.account_versions().await.expect("versions");
    versions.sort();
    assert_eq!(versions, ["of running", "of watched"]);
}
