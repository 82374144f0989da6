//! What operators look at closely.

use domain::{AccountName, Money, OwnerId, Quote, QuotedPrice, Task, TaskEvent, TaskId};

use super::Harness;
use super::samples::{LEASE, NOW, UNLIMITED, apply, claim_one, intended, task};
use crate::{Delivery, DeliveryState, Ending, LedgerKind, NewDelivery, Next, OwnerUse, Store, Terms};

fn money(text: &str) -> Money {
    Money::parse(text).expect("an amount")
}

async fn made(store: &dyn Store, id: &str, owner: &str) -> Task {
    let price = QuotedPrice {
        account: AccountName::new("main"),
        upstream_model: "veo3_fast".into(),
        price: money("0.4"),
    };
    let task = Task { quote: Quote::new(vec![price]), ..task(id, owner) };
    store.create(&task, &Terms::concurrent_tasks(UNLIMITED)).await.expect("create");
    task
}

/// Ends a task that has just been made, with that message.
async fn ended(store: &dyn Store, message: &str) {
    let mut claim = claim_one(store).await;
    apply(&mut claim.task, TaskEvent::Cancelled);
    let message = NewDelivery {
        id: message.into(),
        host: "client.example".into(),
        url: "https://client.example/done".into(),
        content_type: "application/json".into(),
        body: b"{}".to_vec(),
    };
    let settlement = claim.task.settlement();
    let end = Ending { message: Some(message), settlement, ..Ending::default() };
    store.advance(&claim.task, claim.epoch, NOW, Some(&end)).await.expect("advance");
}

/// The task, its rows, its message, and what its owner has decided.
pub async fn a_task_is_found_with_all_that_belongs_to_it(harness: &mut dyn Harness) {
    let store = harness.store();
    assert_eq!(store.task_file(&TaskId::new("none")).await.expect("file"), None);
    let made = made(&*store, "a", "ann").await;
    let file = store.task_file(&made.id).await.expect("file").expect("a task");
    let kinds = |file: &crate::TaskFile| file.ledger.iter().map(|row| row.kind).collect::<Vec<_>>();
    assert_eq!((&file.task, kinds(&file)), (&made, vec![LedgerKind::Reserve]));
    assert!(file.due_at.is_some() && file.crashes == 0 && file.delivery.is_none());
    assert_eq!((file.cancel_requested_at, file.forgotten_at), (None, None));

    let claim = claim_one(&*store).await;
    store.crashed(&(claim.task.id, claim.epoch), LEASE / 2).await.expect("crashed");
    store.request_cancel(&made.id).await.expect("cancel");
    let file = store.task_file(&made.id).await.expect("file").expect("a task");
    assert!(file.crashes == 1 && file.cancel_requested_at.is_some());

    ended(&*store, "m").await;
    assert!(store.forget(&made.id).await.expect("forget"));
    harness.crash().await;
    let store = harness.store();
    let file = store.task_file(&made.id).await.expect("file").expect("what its owner has forgotten is there");
    assert_eq!((file.task.state.name(), file.due_at), ("cancelled", None));
    assert_eq!(kinds(&file), [LedgerKind::Reserve, LedgerKind::Release]);
    assert!(file.forgotten_at.is_some() && file.delivery.is_some_and(|delivery| delivery.message.id == "m"));
}

/// Those of one state, and each once.
pub async fn messages_are_read_in_parts(harness: &mut dyn Harness) {
    let store = harness.store();
    for number in 0..5 {
        made(&*store, &format!("t{number}"), "ann").await;
        ended(&*store, &format!("m{number}")).await;
    }
    let claims = store.claim_deliveries("sender", LEASE, 1, &[]).await.expect("claim");
    let claim = claims.first().expect("one is due");
    let delivered = &claim.delivery.message.id;
    store.settle_delivery(delivered, claim.epoch, &crate::Tried::Delivered).await.expect("settle");
    let ids = |listed: Vec<Delivery>| listed.into_iter().map(|one| one.message.id).collect::<Vec<_>>();
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let part = store.deliveries_before(DeliveryState::Waiting, before.as_deref(), 3).await.expect("list");
        let part = ids(part);
        let Some(last) = part.last() else { break };
        before = Some(last.clone());
        all.extend(part);
    }
    let expected: Vec<String> =
        (0..5).rev().map(|number| format!("m{number}")).filter(|id| id != delivered).collect();
    assert_eq!(all, expected);
    let one = store.deliveries_before(DeliveryState::Delivered, None, 9).await.expect("list");
    assert_eq!(ids(one), std::slice::from_ref(delivered));
    let found = store.delivery(delivered).await.expect("delivery");
    assert!(found.is_some_and(|found| found.state == DeliveryState::Delivered));
    assert_eq!(store.delivery("none").await.expect("delivery"), None);
}

/// Tasks that live, and all money that is not free.
pub async fn what_an_owner_uses_is_told(harness: &mut dyn Harness) {
    let store = harness.store();
    made(&*store, "a", "ann").await;
    ended(&*store, "m").await;
    for id in ["b", "c"] {
        made(&*store, id, "ann").await;
    }
    let mut claims = super::samples::claim_all(&*store).await;
    super::samples::advance(&*store, &mut claims[0], intended("main"), Next::Due { after: LEASE }).await;
    let owners = ["nobody", "ann"].map(OwnerId::new);
    let used = store.owner_use(&owners).await.expect("use");
    assert_eq!(used, [OwnerUse::default(), OwnerUse { live_tasks: 2, committed: money("0.8") }]);
}
