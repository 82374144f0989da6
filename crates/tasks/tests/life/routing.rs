//! Accounts that are left alone, and to whom a task goes instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::{
    AttemptOutcome, Credential, FailureKind, Money, OnUnknown, PriceList, PriceRule, Rate, Task, TaskState,
};
use routing::{Candidate, HealthSettings, Policy};
use tasks::{Deployment, Operator, PageQuery};

use crate::stage::{PATIENCE, Stage, account, router};
use crate::upstream::{Answer, Upstream};
use crate::{CLIP, always};

const SUBMIT: &str = "POST /v2/videos/generations";
const LONG: Duration = Duration::from_secs(3600);
const CHANGES: &str = "filmgate_account_changes_total";
const FAILOVERS: &str = "filmgate_failovers_total";
const POLICY: &str = r#"{"message":"the prompt breaks our content policy"}"#;

/// An upstream that takes whatever it does not answer otherwise, and finishes it at once.
async fn taking(otherwise: impl Fn(&str, usize) -> Option<Answer> + Send + Sync + 'static) -> Upstream {
    Upstream::start(move |call, seen| match otherwise(call, seen) {
        Some(answer) => answer,
        None if call == SUBMIT => Answer::json(200, &format!(r#"{{"task_id":"up-{seen}"}}"#)),
        None if call.starts_with("GET /v2/videos/generations/") => Answer::finished(),
        None => Answer::bytes(CLIP),
    })
    .await
}

/// One that answers its first submissions with that status.
async fn refusing(status: u16, times: usize) -> Upstream {
    taking(move |call, seen| (call == SUBMIT && seen <= times).then(|| Answer::json(status, "{}"))).await
}

/// Two accounts, the first of which is tried first.
async fn both(first: &Upstream, second: &Upstream) -> Stage {
    Stage::new(vec![account("first", &first.url), account("second", &second.url)]).await
}

/// Makes a task and waits for its end.
async fn made(stage: &Stage) -> Task {
    Task::clone(&*stage.ended(&stage.accept().await.id).await)
}

fn accounts(task: &Task) -> Vec<&str> {
    task.attempts.iter().map(|attempt| attempt.plan.account.as_str()).collect()
}

fn failure(task: &Task) -> &domain::Failure {
    let TaskState::Failed { failure, .. } = &task.state else { panic!("{:?}", task.state) };
    failure
}

#[tokio::test]
async fn an_account_that_refuses_us_is_out_and_every_task_goes_to_the_other() {
    for (status, change) in [(401, "out_credential"), (403, "out_credential"), (402, "out_money")] {
        let (out, up) = (refusing(status, usize::MAX).await, taking(|_, _| None).await);
        let stage = both(&out, &up).await;
        let _worker = stage.work();
        let first = made(&stage).await;
        assert_eq!(
            (first.state.name(), accounts(&first)),
            ("succeeded", vec!["first", "second"]),
            "{status}"
        );
        for _task in 0..3 {
            let task = made(&stage).await;
            assert_eq!((task.state.name(), accounts(&task)), ("succeeded", vec!["second"]), "{status}");
        }
        assert_eq!(out.seen(SUBMIT), 1, "{status}");
        assert_eq!(
            (stage.counted(CHANGES, change), stage.counted(FAILOVERS, "first")),
            (1.0, 1.0),
            "{status}"
        );
    }
}

#[tokio::test]
async fn another_credential_brings_an_account_back_at_once() {
    let (out, up) = (refusing(401, 1).await, taking(|_, _| None).await);
    let stage = both(&out, &up).await;
    let _worker = stage.work();
    made(&stage).await;
    assert_eq!(accounts(&made(&stage).await), ["second"]);
    stage.change(|setup| {
        let mut corrected = account("first", &out.url);
        corrected.credential = Credential::new("another");
        corrected.version = "another".into();
        setup.accounts.insert(corrected.name.clone(), corrected.into());
    });
    assert_eq!(accounts(&made(&stage).await), ["first"]);
}

#[tokio::test]
async fn tasks_wait_for_the_only_account_while_it_is_out_and_are_not_tried_in_vain() {
    let out = refusing(402, 1).await;
    let stage = Stage::new(vec![account("first", &out.url)]).await;
    stage.change(|setup| setup.health = HealthSettings { out_for: LONG, ..setup.health });
    let _worker = stage.work();
    let refused = made(&stage).await;
    assert_eq!(failure(&refused).kind, FailureKind::UpstreamQuota);
    let waiting = stage.accept().await;
    // It waits for as long as the account is out; a wish of the operator's is what ends that here.
    stage.until_queued("first", 1.0).await;
    assert_eq!(out.seen(SUBMIT), 1);
    stage.change(|setup| {
        let mut corrected = account("first", &out.url);
        corrected.credential = Credential::new("another");
        corrected.version = "another".into();
        setup.accounts.insert(corrected.name.clone(), corrected.into());
    });
    let waited = stage.ended(&waiting.id).await;
    assert_eq!((waited.state.name(), waited.attempts.len()), ("succeeded", 1));
}

#[tokio::test]
async fn an_account_that_fails_often_gets_nothing_until_a_probe_succeeds() {
    // The upstream takes tasks, and the first two of them fail.
    let failing = taking(|call, _seen| {
        let fails = ["1", "2"].iter().any(|id| call.ends_with(&format!("/up-{id}")));
        fails.then(|| Answer::json(200, r#"{"status":"FAILURE","fail_reason":"out of order"}"#))
    });
    let (failing, up) = (failing.await, taking(|_, _| None).await);
    let stage = both(&failing, &up).await;
    let eject_for = Duration::from_secs(2);
    stage.change(|setup| {
        setup.health =
            HealthSettings { failures_max: 2, eject_for, eject_for_max: eject_for, ..setup.health };
    });
    let _worker = stage.work();
    for _task in 0..2 {
        assert_eq!(accounts(&made(&stage).await), ["first", "second"]);
    }
    assert_eq!(stage.counted(CHANGES, "ejected"), 1.0);
    let probe = async {
        loop {
            let task = made(&stage).await;
            assert_eq!((task.state.name(), task.attempts.len()), ("succeeded", 1));
            if accounts(&task) == ["first"] {
                break;
            }
            assert_eq!(failing.seen(SUBMIT), 2, "it is left alone");
        }
    };
    tokio::time::timeout(PATIENCE, probe).await.expect("the account is probed");
    assert_eq!((stage.counted(CHANGES, "ejected"), stage.counted(CHANGES, "readmitted")), (1.0, 1.0));
}

#[tokio::test]
async fn lost_answers_eject_an_account_and_are_still_not_failed_over() {
    let (lost, up) = (refusing(500, usize::MAX).await, taking(|_, _| None).await);
    let stage = both(&lost, &up).await;
    stage.change(|setup| {
        setup.health =
            HealthSettings { failures_max: 2, eject_for: LONG, eject_for_max: LONG, ..setup.health };
    });
    let _worker = stage.work();
    for _task in 0..2 {
        let held = made(&stage).await;
        assert_eq!((failure(&held).kind, accounts(&held)), (FailureKind::OutcomeUnknown, vec!["first"]));
    }
    assert_eq!(accounts(&made(&stage).await), ["second"]);
    assert_eq!(stage.counted(FAILOVERS, "first"), 0.0);
}

#[tokio::test]
async fn a_busy_account_is_not_asked_before_the_time_that_it_names() {
    let busy = || Answer::json_with(429, ("retry-after", "3600"), "{}");
    let busy = taking(move |call, _seen| (call == SUBMIT).then(busy)).await;
    let up = taking(|_, _| None).await;
    let stage = both(&busy, &up).await;
    let _worker = stage.work();
    assert_eq!(accounts(&made(&stage).await), ["first", "second"]);
    for _task in 0..3 {
        assert_eq!(accounts(&made(&stage).await), ["second"]);
    }
    assert_eq!(busy.seen(SUBMIT), 1);
}

#[tokio::test]
async fn a_busy_account_makes_others_wait_without_costing_them_attempts() {
    let busy = taking(|call, seen| {
        (call == SUBMIT && seen == 1).then(|| Answer::json_with(429, ("retry-after", "1"), "{}"))
    });
    let busy = busy.await;
    let stage = Stage::new(vec![account("first", &busy.url)]).await;
    let _worker = stage.work();
    let refused = stage.accept().await;
    stage.until(&refused.id, |task| task.attempts.len() == 1).await;
    let (other, refused) = (made(&stage).await, stage.ended(&refused.id).await);
    assert_eq!((other.state.name(), other.attempts.len()), ("succeeded", 1));
    assert_eq!((refused.state.name(), refused.attempts.len()), ("succeeded", 2));
}

#[tokio::test]
async fn refused_content_is_tried_elsewhere_only_where_the_route_says_so() {
    for (policy_failover, expected) in [(false, vec!["first"]), (true, vec!["first", "second"])] {
        let strict = taking(|call, _seen| (call == SUBMIT).then(|| Answer::json(400, POLICY))).await;
        let up = taking(|_, _| None).await;
        let stage = both(&strict, &up).await;
        let candidates = ["first", "second"].map(candidate).to_vec();
        stage.change(|setup| {
            setup.router = router(candidates, Policy { policy_failover, ..Policy::default() });
        });
        let _worker = stage.work();
        let task = made(&stage).await;
        assert_eq!(accounts(&task), expected);
        if !policy_failover {
            assert_eq!(failure(&task).kind, FailureKind::ContentPolicy);
        }
        assert_eq!(stage.counted(CHANGES, "first"), 0.0, "that tells nothing of the account");
    }
}

#[tokio::test]
async fn a_route_bounds_the_attempts_of_a_task() {
    let out = always(|| Answer::json(429, "{}")).await;
    let names = ["first", "second", "third"];
    let stage = Stage::new(names.map(|name| account(name, &out.url)).to_vec()).await;
    let policy = Policy { attempts_max: Some(2), ..Policy::default() };
    stage.change(|setup| setup.router = router(names.map(candidate).to_vec(), policy));
    let _worker = stage.work();
    let task = made(&stage).await;
    assert_eq!(accounts(&task), ["first", "second"]);
    assert_eq!(failure(&task).kind, FailureKind::UpstreamBusy);
}

#[tokio::test]
async fn an_attempt_that_may_have_to_be_paid_counts_against_what_a_task_may_cost() {
    let (lost, up) = (refusing(500, usize::MAX).await, taking(|_, _| None).await);
    for (price_max, expected) in [("0.7", vec!["first"]), ("0.8", vec!["first", "second"])] {
        let mut first = account("first", &lost.url);
        first.on_unknown = OnUnknown::Resubmit;
        let stage = Stage::new(vec![first, account("second", &up.url)]).await;
        let policy = Policy { price_max: Money::parse(price_max).ok(), ..Policy::default() };
        let candidates = ["first", "second"].map(|name| priced(name, "0.4")).to_vec();
        stage.change(|setup| setup.router = router(candidates, policy));
        let _worker = stage.work();
        let task = made(&stage).await;
        assert_eq!(accounts(&task), expected);
        assert!(matches!(task.attempts[0].outcome, AttemptOutcome::Abandoned { .. }));
        if expected.len() == 1 {
            let told = failure(&task);
            assert_eq!(told.kind, FailureKind::NoRoute);
            assert!(told.public.contains("price"), "{told:?}");
            assert!(!told.public.contains("first") && !told.public.contains("second"), "{told:?}");
        }
    }
}

#[tokio::test]
async fn accounts_that_take_turns_share_the_tasks_evenly() {
    let (one, other) = (taking(|_, _| None).await, taking(|_, _| None).await);
    let stage = both(&one, &other).await;
    let policy = Policy { strategy: domain::Strategy::RoundRobin, ..Policy::default() };
    stage.change(|setup| setup.router = router(["first", "second"].map(candidate).to_vec(), policy));
    let _worker = stage.work();
    let mut served = Vec::new();
    for _task in 0..6 {
        served.push(accounts(&made(&stage).await)[0].to_owned());
    }
    assert_eq!(served, ["first", "second", "first", "second", "first", "second"]);
}

#[tokio::test]
async fn how_long_an_account_takes_is_learnt_from_its_results() {
    let up = taking(|_, _| None).await;
    let stage = Stage::new(vec![account("first", &up.url)]).await;
    let times = || async {
        let operator = Operator::new(Arc::clone(&stage.shared), Deployment::default());
        let accounts = operator.accounts(&PageQuery::default()).await.unwrap().items;
        accounts[0].time_to_result_ms.clone()
    };
    assert!(times().await.is_empty());
    let _worker = stage.work();
    made(&stage).await;
    let (models, times_ms): (Vec<String>, Vec<u64>) = times().await.into_iter().unzip();
    assert_eq!(models, ["veo3.1"]);
    assert!(times_ms[0] > 0);
}

fn candidate(name: &str) -> Candidate {
    Candidate::new(domain::AccountName::new(name), "veo3.1")
}

fn priced(name: &str, price: &str) -> Candidate {
    let rule = PriceRule {
        when: domain::PriceCondition::default(),
        rate: Rate::PerCall(Money::parse(price).unwrap()),
    };
    Candidate { prices: Some(PriceList::new(vec![rule]).into()), ..candidate(name) }
}

#[tokio::test]
async fn the_no_of_an_account_that_was_changed_over_a_restart_lets_nobody_else_begin() {
    let knows_nothing = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&knows_nothing);
    let first = taking(move |call, _| {
        let running = r#"{"status":"IN_PROGRESS","progress":"10%"}"#;
        let failed = r#"{"status":"FAILURE","fail_reason":"no such task"}"#;
        let body = if asked.load(Ordering::SeqCst) { failed } else { running };
        call.starts_with("GET /v2/videos/").then(|| Answer::json(200, body))
    })
    .await;
    let second = taking(|_, _| None).await;
    for is_changed in [false, true] {
        knows_nothing.store(false, Ordering::SeqCst);
        let mut stage = both(&first, &second).await;
        let id = stage.accept().await.id;
        let working = stage.work();
        stage.until(&id, |task| matches!(task.state, TaskState::Running { .. })).await;
        drop(working);
        if is_changed {
            stage.accounts[0].credential = Credential::new("another");
        }
        knows_nothing.store(true, Ordering::SeqCst);
        let stage = stage.restart().await;
        let _working = stage.work();
        let task = stage.ended(&id).await;
        let expected: &[&str] = if is_changed { &["first"] } else { &["first", "second"] };
        assert_eq!(accounts(&task), expected, "{task:?}");
        assert_eq!(task.state.name(), if is_changed { "failed" } else { "succeeded" });
    }
}
