//! Never two submissions of one task that may both cost money.

use domain::{AccountName, Attempt, AttemptOutcome, OwnerId, TaskEvent, TaskId};

use super::Harness;
use super::samples::{
    AT, LEASE, NOW, accepted, advance, claim_all, claim_one, create, intended, load, plan, task,
};
use crate::{LiveHolding, Next, StoreError};

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
