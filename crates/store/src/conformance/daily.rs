//! Limits of one day: exact, durable, free again on the next.

use std::time::Duration;

use domain::{
    AccountName, DailyLimits, Failure, FailureKind, Money, OwnerId, Quote, QuotedPrice, Task, TaskEvent,
};
use tokio::task::JoinSet;

use super::Harness;
use super::samples::{LEASE, NOW, UNLIMITED, accepted, advance, apply, claim_all, claim_one, intended, task};
use crate::{
    Admission, Claim, DailyBound, DailyKey, DailyLimit, DailyVerdict, Ending, HeldVerdict, IdempotencyKey,
    LateWord, Next, OverDaily, Store, StoreError, Terms,
};

const DAY: Duration = Duration::from_secs(24 * 3600);
const KEEP: Next = Next::Keep { lease: LEASE };
/// More than any task of the suite costs.
const MUCH: &str = "100";

fn money(text: &str) -> Money {
    Money::parse(text).expect("an amount")
}

fn ann() -> DailyKey {
    DailyKey::Client(OwnerId::new("ann"))
}

fn main() -> DailyKey {
    DailyKey::Account(AccountName::new("main"))
}

fn tasks(key: DailyKey, tasks: u32) -> DailyLimit {
    DailyLimit { key, limits: DailyLimits { tasks: Some(tasks), spend: None } }
}

fn spend(key: DailyKey, spend: &str) -> DailyLimit {
    DailyLimit { key, limits: DailyLimits { tasks: None, spend: Some(money(spend)) } }
}

fn terms(daily: &[DailyLimit]) -> Terms {
    Terms { daily: daily.to_vec(), ..Terms::concurrent_tasks(UNLIMITED) }
}

/// A task that costs that much by the account "main", and 1 by another.
fn priced(id: &str, price: &str) -> Task {
    let quoted = |account: &str, price| QuotedPrice {
        account: AccountName::new(account),
        upstream_model: "veo3_fast".into(),
        price: money(price),
    };
    Task { quote: Quote::new(vec![quoted("main", price), quoted("dear", "1")]), ..task(id, "ann") }
}

/// A task that costs 1 at most, counted without bounds.
async fn counted(store: &dyn Store, id: &str) {
    let admission = store.create(&priced(id, "0.3"), &terms(&[spend(ann(), MUCH)])).await.expect("create");
    assert_eq!(admission, Admission::Admitted);
}

/// How many tasks and how much is used of `key` today.
async fn used(store: &dyn Store, key: DailyKey) -> (u32, Money) {
    let used = store.used_today(&[key]).await.expect("used today");
    (used[0].tasks, used[0].spend)
}

fn bound(admission: Admission) -> DailyBound {
    match admission {
        Admission::OverDaily(over) => over.bound,
        other => panic!("{other:?}"),
    }
}

/// Of 50 at once on a limit of 10 exactly 10 pass. The day ends at midnight by the store's clock, and the next is free.
pub async fn parallel_creates_never_exceed_the_tasks_of_a_day(harness: &mut dyn Harness) {
    for day in 0..2 {
        let mut creates = JoinSet::new();
        for number in 0..50 {
            let store = harness.store();
            let task = task(&format!("t{day}-{number}"), "ann");
            creates.spawn(async move { store.create(&task, &terms(&[tasks(ann(), 10)])).await });
        }
        let admissions: Vec<Admission> =
            creates.join_all().await.into_iter().collect::<Result<_, _>>().expect("create");
        assert_eq!(admissions.iter().filter(|admission| **admission == Admission::Admitted).count(), 10);
        harness.crash().await;
        let store = harness.store();
        assert_eq!(claim_all(&*store).await.len(), 10, "only the admitted are stored");
        let over = store.create(&task("over", "ann"), &terms(&[tasks(ann(), 10)])).await.expect("create");
        let Admission::OverDaily(over) = over else { panic!("{over:?}") };
        assert_eq!((over.key, over.bound), (ann(), DailyBound::Tasks));
        assert!(over.resets_in > Duration::ZERO && over.resets_in <= DAY, "{:?}", over.resets_in);
        harness.pass(over.resets_in - Duration::from_millis(1));
        let last = store.create(&task("over", "ann"), &terms(&[tasks(ann(), 10)])).await.expect("create");
        assert_eq!(bound(last), DailyBound::Tasks, "the last millisecond of the day");
        claim_all(&*store).await;
        harness.pass(Duration::from_millis(1));
    }
    assert_eq!(used(&*harness.store(), ann()).await, (0, Money::ZERO));
}

/// To the last billionth; what costs nothing needs no room.
pub async fn parallel_creates_never_exceed_the_spend_of_a_day(harness: &mut dyn Harness) {
    let mut creates = JoinSet::new();
    for number in 0..50 {
        let store = harness.store();
        let mut task = task(&format!("t{number}"), "ann");
        task.quote.reserved = money("0.300000001");
        creates.spawn(async move { store.create(&task, &terms(&[spend(ann(), "3.00000001")])).await });
    }
    let admissions: Vec<Admission> =
        creates.join_all().await.into_iter().collect::<Result<_, _>>().expect("create");
    assert_eq!(admissions.iter().filter(|admission| **admission == Admission::Admitted).count(), 10);
    let refused = admissions.into_iter().find(|admission| *admission != Admission::Admitted).expect("40");
    assert_eq!(bound(refused), DailyBound::Spend { left: Money::ZERO });
    let store = harness.store();
    let mut last = task("last", "ann");
    last.quote.reserved = Money::from_billionths(2);
    let room_for_one = terms(&[spend(ann(), "3.000000011")]);
    let left = bound(store.create(&last, &room_for_one).await.expect("create"));
    assert_eq!(left, DailyBound::Spend { left: Money::from_billionths(1) });
    last.quote.reserved = Money::from_billionths(1);
    assert_eq!(store.create(&last, &room_for_one).await.expect("create"), Admission::Admitted);
    let free = store.create(&task("free", "ann"), &terms(&[spend(ann(), "1")])).await.expect("create");
    assert_eq!(free, Admission::Admitted, "also where the limit was lowered");
}

/// And other keys' limits are nothing to it.
pub async fn a_task_counts_in_all_its_limits_or_in_none(harness: &mut dyn Harness) {
    let store = harness.store();
    let of_model = |model: &str| DailyKey::ClientModel(OwnerId::new("ann"), model.to_owned());
    let both = |model: &str| terms(&[tasks(ann(), 5), tasks(of_model(model), 2)]);
    for (id, model) in [("a", "one"), ("b", "one"), ("c", "two")] {
        let admission = store.create(&task(id, "ann"), &both(model)).await.expect("create");
        assert_eq!(admission, Admission::Admitted);
    }
    let over = store.create(&task("d", "ann"), &both("one")).await.expect("create");
    assert!(
        matches!(&over, Admission::OverDaily(OverDaily { key, .. }) if *key == of_model("one")),
        "{over:?}"
    );
    assert_eq!(used(&*store, ann()).await.0, 3);
    for (id, model) in [("d", "two"), ("e", "three")] {
        let admission = store.create(&task(id, "ann"), &both(model)).await.expect("create");
        assert_eq!(admission, Admission::Admitted);
    }
    let over = store.create(&task("f", "ann"), &both("three")).await.expect("create");
    assert!(matches!(&over, Admission::OverDaily(OverDaily { key, .. }) if *key == ann()), "{over:?}");
    let bob = DailyKey::Client(OwnerId::new("bob"));
    let told = store.used_today(&[of_model("three"), ann(), bob, of_model("two")]).await.expect("used today");
    assert_eq!(told.iter().map(|used| used.tasks).collect::<Vec<_>>(), [1, 5, 0, 2]);
}

/// A replay, a second task of one id, one over another limit: all that makes no task.
pub async fn what_makes_no_task_counts_nothing(harness: &mut dyn Harness) {
    let store = harness.store();
    let key = |fingerprint| IdempotencyKey { key: "k".into(), fingerprint: [fingerprint; 32], lifetime: DAY };
    let named =
        |fingerprint, max| Terms { idempotency: Some(key(fingerprint)), ..terms(&[tasks(ann(), max)]) };
    let first = store.create(&task("a", "ann"), &named(1, 1)).await.expect("create");
    assert_eq!(first, Admission::Admitted);
    let replayed = store.create(&task("b", "ann"), &named(1, 1)).await.expect("create");
    assert!(matches!(replayed, Admission::Replayed { .. }), "{replayed:?}: also when the day is full");
    let reused = store.create(&task("c", "ann"), &named(2, 9)).await.expect("create");
    assert_eq!(reused, Admission::KeyReused);
    let again = store.create(&task("a", "ann"), &terms(&[tasks(ann(), 9)])).await;
    assert!(matches!(again, Err(StoreError::Conflict(_))));
    let busy = Terms { concurrent_tasks: 1, ..terms(&[tasks(ann(), 9)]) };
    let busy = store.create(&task("d", "ann"), &busy).await.expect("create");
    assert_eq!(busy, Admission::AtLimit { live: 1 });
    let poor = Terms { budget: Some(money("0.5")), ..terms(&[tasks(ann(), 9)]) };
    let poor = store.create(&priced("e", "0.3"), &poor).await.expect("create");
    assert!(matches!(poor, Admission::OverBudget { .. }), "{poor:?}");
    assert_eq!(used(&*store, ann()).await.0, 1);
}

async fn end(store: &dyn Store, claim: &mut Claim, event: TaskEvent) -> Result<u64, StoreError> {
    apply(&mut claim.task, event);
    let watch = Some(DAY);
    let end = Ending { settlement: claim.task.settlement(), watch, ..Ending::default() };
    store.advance(&claim.task, claim.epoch, NOW, Some(&end)).await
}

/// What is not spent in the end, whenever that is known. Its place among the tasks stays taken.
pub async fn an_end_gives_back_what_it_does_not_spend(harness: &mut dyn Harness) {
    let store = harness.store();
    counted(&*store, "cheap").await;
    let mut cheap = claim_one(&*store).await;
    for event in [intended("main"), accepted("h"), TaskEvent::Ready { sources: vec![] }] {
        apply(&mut cheap.task, event);
    }
    assert_eq!(used(&*store, ann()).await, (1, money("1")));
    end(&*store, &mut cheap, TaskEvent::Collected { outputs: vec![] }).await.expect("advance");
    assert_eq!(used(&*store, ann()).await, (1, money("0.3")));

    counted(&*store, "lost").await;
    let mut lost = claim_one(&*store).await;
    apply(&mut lost.task, intended("main"));
    apply(&mut lost.task, TaskEvent::SubmitUnknown { reason: "lost".into() });
    end(&*store, &mut lost, TaskEvent::DeadlinePassed).await.expect("advance");
    assert_eq!(used(&*store, ann()).await, (2, money("1.3")), "nobody knows");
    store.settle_held(&lost.task.id, HeldVerdict::Release).await.expect("settle");
    assert_eq!(used(&*store, ann()).await, (2, money("0.3")));
    let late = store.claim_late(LEASE, 10).await.expect("claim");
    let late = late.iter().find(|late| late.task.id == lost.task.id).expect("it is watched");
    let finished = LateWord::Finished { outputs: vec![], price: money("0.4"), handle: "up".into() };
    store.settle_late(late, &finished).await.expect("settle");
    assert_eq!(used(&*store, ann()).await, (2, money("0.7")), "a late adjustment");
}

/// Of those who end it at one time only one gives back.
pub async fn three_who_end_a_task_give_back_once(harness: &mut dyn Harness) {
    let store = harness.store();
    for id in ["a", "b"] {
        counted(&*store, id).await;
    }
    let claim = claim_all(&*store).await.remove(0);
    let failure = Failure::new(FailureKind::GenerationFailed, "f");
    let (mut one, mut two, mut three) = (claim.clone(), claim.clone(), claim.clone());
    let results = tokio::join!(
        end(&*store, &mut one, TaskEvent::Cancelled),
        end(&*store, &mut two, TaskEvent::DeadlinePassed),
        end(&*store, &mut three, TaskEvent::Failed { failure }),
    );
    let ended = [results.0.is_ok(), results.1.is_ok(), results.2.is_ok()];
    assert_eq!(ended.iter().filter(|ended| **ended).count(), 1);
    assert_eq!(used(&*store, ann()).await, (2, money("1")));
}

/// What was counted yesterday comes back to yesterday.
pub async fn an_end_after_midnight_changes_nothing_today(harness: &mut dyn Harness) {
    let store = harness.store();
    counted(&*store, "a").await;
    let mut claim = claim_one(&*store).await;
    assert_eq!(count(&*store, &claim, 1, &[tasks(main(), 9)]).await, DailyVerdict::Counted);
    harness.pass(DAY);
    counted(&*store, "today").await;
    end(&*store, &mut claim, TaskEvent::Cancelled).await.expect("advance");
    assert_eq!(used(&*store, ann()).await, (1, money("1")));
    assert_eq!(used(&*store, main()).await, (0, Money::ZERO));
}

/// Counts an attempt that costs 0.3.
async fn count(store: &dyn Store, claim: &Claim, attempt: u32, limits: &[DailyLimit]) -> DailyVerdict {
    let claim = (claim.task.id.clone(), claim.epoch);
    store.use_daily(&claim, attempt, limits, money("0.3")).await.expect("use")
}

/// Of 50 at once on an account's limit of 10 exactly 10 pass, and those that do not leave no trace at its provider.
pub async fn parallel_attempts_never_exceed_the_day_of_an_account(harness: &mut dyn Harness) {
    let store = harness.store();
    let provider = DailyKey::Provider("kie".into());
    for number in 0..50 {
        super::samples::create(&*store, &task(&format!("t{number}"), "ann")).await;
    }
    let mut counting = JoinSet::new();
    for claim in claim_all(&*store).await {
        let store = harness.store();
        let limits = [tasks(provider.clone(), 30), spend(main(), "3.1")];
        counting.spawn(async move { count(&*store, &claim, 1, &limits).await });
    }
    let verdicts = counting.join_all().await;
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == DailyVerdict::Counted).count(), 10);
    let over = verdicts.iter().find_map(|verdict| match verdict {
        DailyVerdict::Over(over) => Some(over),
        DailyVerdict::Counted => None,
    });
    let bound = over.map(|over| (over.key.clone(), over.bound));
    assert_eq!(bound, Some((main(), DailyBound::Spend { left: money("0.1") })));
    harness.crash().await;
    assert_eq!(used(&*harness.store(), provider).await, (10, money("3")));
}

/// With another account it counts there instead; without any it counts nowhere; tomorrow it counts tomorrow.
pub async fn an_attempt_is_counted_once_however_often_it_is_tried(harness: &mut dyn Harness) {
    let store = harness.store();
    let other = || DailyKey::Account(AccountName::new("other"));
    super::samples::create(&*store, &task("a", "ann")).await;
    let claim = claim_one(&*store).await;
    for _ in 0..3 {
        assert_eq!(count(&*store, &claim, 1, &[tasks(main(), 1)]).await, DailyVerdict::Counted);
    }
    assert_eq!(used(&*store, main()).await, (1, money("0.3")));
    assert_eq!(count(&*store, &claim, 1, &[tasks(other(), 1)]).await, DailyVerdict::Counted);
    assert_eq!((used(&*store, main()).await.0, used(&*store, other()).await.0), (0, 1));
    let over = count(&*store, &claim, 1, &[tasks(main(), 1), tasks(other(), 0)]).await;
    assert!(matches!(&over, DailyVerdict::Over(over) if over.key == other()), "{over:?}");
    assert_eq!((used(&*store, main()).await.0, used(&*store, other()).await.0), (0, 0));
    assert_eq!(count(&*store, &claim, 1, &[tasks(main(), 1)]).await, DailyVerdict::Counted);
    harness.pass(DAY);
    assert_eq!(count(&*store, &claim, 1, &[tasks(main(), 1)]).await, DailyVerdict::Counted);
    assert_eq!(used(&*store, main()).await.0, 1);
    assert_eq!(count(&*store, &claim, 1, &[]).await, DailyVerdict::Counted);
    assert_eq!(used(&*store, main()).await.0, 0);
}

/// In the write that says so: not sent, rejected, failed. Not one that may have to be paid.
pub async fn an_attempt_that_nobody_pays_for_is_given_back(harness: &mut dyn Harness) {
    let store = harness.store();
    super::samples::create(&*store, &task("a", "ann")).await;
    let mut claim = claim_one(&*store).await;
    let reason = String::new;
    let steps: [(&[TaskEvent], u32); 5] = [
        (&[TaskEvent::SubmitNotSent { reason: reason() }], 0),
        (&[TaskEvent::SubmitRejected { reason: reason() }], 0),
        (&[accepted("h1"), TaskEvent::AttemptFailed { reason: reason() }], 0),
        (
            &[
                TaskEvent::SubmitUnknown { reason: reason() },
                TaskEvent::AttemptAbandoned { reason: reason() },
            ],
            1,
        ),
        (&[accepted("h2")], 2),
    ];
    for (number, (events, counted)) in (1..).zip(steps) {
        let before = used(&*store, main()).await.0;
        assert_eq!(count(&*store, &claim, number, &[tasks(main(), 9)]).await, DailyVerdict::Counted);
        // A renewal of the lease before the attempt is stored takes nothing away.
        claim.task.version = store.advance(&claim.task, claim.epoch, KEEP, None).await.expect("advance");
        assert_eq!(used(&*store, main()).await.0, before + 1);
        advance(&*store, &mut claim, intended("main"), KEEP).await;
        for event in events {
            assert_eq!(used(&*store, main()).await.0, before + 1);
            advance(&*store, &mut claim, event.clone(), KEEP).await;
        }
        assert_eq!(used(&*store, main()).await.0, counted, "attempt {number}");
    }
    end(&*store, &mut claim, TaskEvent::Cancelled).await.expect("advance");
    assert_eq!(used(&*store, main()).await.0, 2, "the upstream may charge for it");
}

/// Its holder has died between counting and storing it, or found something in the way.
pub async fn an_attempt_that_was_never_made_is_given_back_at_the_end(harness: &mut dyn Harness) {
    let store = harness.store();
    super::samples::create(&*store, &task("a", "ann")).await;
    let claim = claim_one(&*store).await;
    assert_eq!(count(&*store, &claim, 1, &[tasks(main(), 9)]).await, DailyVerdict::Counted);
    harness.pass(LEASE);
    harness.crash().await;
    let store = harness.store();
    assert_eq!(used(&*store, main()).await.0, 1);
    let mut claim = claim_one(&*store).await;
    end(&*store, &mut claim, TaskEvent::Cancelled).await.expect("advance");
    assert_eq!(used(&*store, main()).await.0, 0);
}

/// A slow holder must not undo what the next one has counted.
pub async fn who_no_longer_holds_a_task_counts_nothing(harness: &mut dyn Harness) {
    let store = harness.store();
    super::samples::create(&*store, &task("a", "ann")).await;
    let slow = claim_one(&*store).await;
    harness.pass(LEASE);
    let next = claim_one(&*store).await;
    assert_eq!(count(&*store, &next, 1, &[tasks(main(), 9)]).await, DailyVerdict::Counted);
    for limits in [&[][..], &[tasks(DailyKey::Provider("kie".into()), 9)]] {
        let id = slow.task.id.clone();
        let stale = store.use_daily(&(id, slow.epoch), 1, limits, Money::ZERO).await;
        assert!(matches!(stale, Err(StoreError::Stale)), "{stale:?}");
    }
    let released = (next.task.id.clone(), next.epoch);
    store.release(std::slice::from_ref(&released), Duration::ZERO).await.expect("release");
    let stale = store.use_daily(&released, 1, &[], Money::ZERO).await;
    assert!(matches!(stale, Err(StoreError::Stale)), "{stale:?}");
    assert_eq!(used(&*store, main()).await.0, 1);
}

/// But not yesterday.
pub async fn days_that_are_over_are_deleted(harness: &mut dyn Harness) {
    let store = harness.store();
    for id in ["a", "b"] {
        counted(&*store, id).await;
    }
    let mut claims = claim_all(&*store).await;
    assert_eq!(count(&*store, &claims[0], 1, &[tasks(main(), 9)]).await, DailyVerdict::Counted);
    harness.pass(DAY);
    assert_eq!(store.purge_daily(10).await.expect("purge"), 0);
    counted(&*store, "c").await;
    harness.pass(DAY);
    assert_eq!(store.purge_daily(2).await.expect("purge"), 2);
    assert_eq!(store.purge_daily(10).await.expect("purge"), 3, "two limits, and three uses of them");
    end(&*store, &mut claims[0], TaskEvent::Cancelled).await.expect("it has nothing to give back any more");
    harness.pass(DAY);
    assert_eq!(store.purge_daily(10).await.expect("purge"), 2);
    assert_eq!(used(&*store, ann()).await, (0, Money::ZERO));
}
