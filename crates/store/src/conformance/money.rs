//! Prices, budgets, and what an end does with them.

use domain::{AccountName, Failure, FailureKind, Money, Quote, QuotedPrice, Settlement, Task, TaskEvent};
use tokio::task::JoinSet;

use super::Harness;
use super::samples::{NOW, UNLIMITED, accepted, apply, claim_all, claim_one, intended, load, task};
use crate::{Admission, Claim, Ending, Next, Store, StoreError, Terms};

fn money(text: &str) -> Money {
    Money::parse(text).expect("an amount")
}

fn within(budget: &str) -> Terms {
    Terms { budget: Some(money(budget)), ..Terms::concurrent_tasks(UNLIMITED) }
}

/// A task that costs 0.3 by one account and 1 by another.
fn priced(id: &str, owner: &str) -> Task {
    let quoted = |account: &str, price| QuotedPrice {
        account: AccountName::new(account),
        upstream_model: "veo3_fast".into(),
        price: money(price),
    };
    Task { quote: Quote::new(vec![quoted("cheap", "0.3"), quoted("dear", "1")]), ..task(id, owner) }
}

/// What is left for ann of a budget of 10.
async fn left(store: &dyn Store) -> Money {
    let mut much = priced("much", "ann");
    much.quote.reserved = money("10.000000001");
    match store.create(&much, &within("10")).await.expect("create") {
        Admission::OverBudget { left } => left,
        other => panic!("{other:?}"),
    }
}

async fn settled(store: &dyn Store, claim: &mut Claim, event: TaskEvent) -> Result<u64, StoreError> {
    apply(&mut claim.task, event);
    let end = Ending { settlement: claim.task.settlement(), ..Ending::default() };
    store.advance(&claim.task, claim.epoch, NOW, Some(&end)).await
}

async fn admitted(store: &dyn Store, task: &Task) -> Claim {
    assert_eq!(store.create(task, &within("10")).await.expect("create"), Admission::Admitted);
    claim_one(store).await
}

/// Of 500 at once on a budget for 100 exactly 100 pass.
pub async fn parallel_creates_never_exceed_the_budget(harness: &mut dyn Harness) {
    let mut creates = JoinSet::new();
    for number in 0..500 {
        let store = harness.store();
        creates.spawn(
            async move { store.create(&priced(&format!("t{number}"), "ann"), &within("100.9")).await },
        );
    }
    let admissions: Vec<Admission> =
        creates.join_all().await.into_iter().collect::<Result<_, _>>().expect("create");
    let count = |wanted: &Admission| admissions.iter().filter(|admission| *admission == wanted).count();
    assert_eq!(count(&Admission::Admitted), 100);
    assert_eq!(count(&Admission::OverBudget { left: money("0.9") }), 400);
    harness.crash().await;
    let over = harness.store().create(&priced("over", "ann"), &within("100.9")).await;
    assert_eq!(over.expect("create"), Admission::OverBudget { left: money("0.9") });
    let bob = harness.store().create(&priced("bob's", "bob"), &within("1")).await;
    assert_eq!(bob.expect("create"), Admission::Admitted);
    let free = harness.store().create(&task("free", "ann"), &within("100")).await;
    assert_eq!(free.expect("create"), Admission::Admitted, "what costs nothing needs no room");
}

/// The quote is read back, and the price is that of the account that did the work.
pub async fn a_success_spends_its_price_and_frees_the_rest(harness: &mut dyn Harness) {
    let store = harness.store();
    let task = priced("a", "ann");
    let mut claim = admitted(&*store, &task).await;
    assert_eq!(load(&*store, &task.id).await.quote, task.quote);
    assert_eq!(left(&*store).await, money("9"));
    for event in [intended("cheap"), accepted("h"), TaskEvent::Ready { sources: vec![] }] {
        apply(&mut claim.task, event);
    }
    settled(&*store, &mut claim, TaskEvent::Collected { outputs: vec![] }).await.expect("advance");
    assert_eq!(left(&*store).await, money("9.7"));
}

/// Where nobody knows whether the upstream charges.
pub async fn what_is_not_settled_stays_set_aside(harness: &mut dyn Harness) {
    let store = harness.store();
    let mut claim = admitted(&*store, &priced("a", "ann")).await;
    apply(&mut claim.task, intended("cheap"));
    apply(&mut claim.task, TaskEvent::SubmitUnknown { reason: "lost".into() });
    settled(&*store, &mut claim, TaskEvent::DeadlinePassed).await.expect("advance");
    assert_eq!(left(&*store).await, money("9"));
}

/// Of those who end it at one time only one settles, and no second row of a kind is ever written.
pub async fn an_end_is_settled_once(harness: &mut dyn Harness) {
    let store = harness.store();
    let claim = admitted(&*store, &priced("a", "ann")).await;
    let failure = Failure::new(FailureKind::GenerationFailed, "f");
    let (mut one, mut two, mut three) = (claim.clone(), claim.clone(), claim.clone());
    let results = tokio::join!(
        settled(&*store, &mut one, TaskEvent::Cancelled),
        settled(&*store, &mut two, TaskEvent::DeadlinePassed),
        settled(&*store, &mut three, TaskEvent::Failed { failure }),
    );
    let ended = [results.0.is_ok(), results.1.is_ok(), results.2.is_ok()];
    assert_eq!(ended.iter().filter(|ended| **ended).count(), 1);
    assert_eq!(left(&*store).await, money("10"));

    let mut claim = admitted(&*store, &priced("b", "ann")).await;
    let early = Ending { settlement: Some(Settlement::release(money("1"))), ..Ending::default() };
    apply(&mut claim.task, intended("cheap"));
    let keep = Next::Due { after: std::time::Duration::ZERO };
    claim.task.version = store.advance(&claim.task, claim.epoch, keep, Some(&early)).await.expect("advance");
    let mut claim = claim_all(&*store).await.remove(0);
    apply(&mut claim.task, TaskEvent::SubmitNotSent { reason: "away".into() });
    let twice = settled(&*store, &mut claim, TaskEvent::Cancelled).await;
    assert!(matches!(twice, Err(StoreError::Conflict(_))), "{twice:?}");
    assert_eq!(left(&*store).await, money("10"), "and nothing of that write is stored");
    assert!(!load(&*store, &claim.task.id).await.state.is_terminal());
}
