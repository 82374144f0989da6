//! Messages that tell how tasks ended.

use std::time::Duration;

use domain::{TaskEvent, TaskId};

use super::Harness;
use super::samples::{LEASE, NOW, advance, apply, claim_one, create, task};
use crate::{DeliveryClaim, DeliveryState, Ending, NewDelivery, Store, StoreError, Tried};

fn message(id: &str, host: &str) -> NewDelivery {
    NewDelivery {
        id: id.to_owned(),
        host: host.to_owned(),
        url: format!("https://{host}/done?x=%20"),
        content_type: "application/json".to_owned(),
        body: b"{\"a\":\"\\u0000\"}\0\xff".to_vec(),
    }
}

fn telling(message: &NewDelivery) -> Ending {
    Ending { message: Some(message.clone()), ..Ending::default() }
}

/// Makes a task and ends it with a message.
async fn end_with(store: &dyn Store, id: &str, message: &NewDelivery) {
    create(store, &task(id, "ann")).await;
    let mut claim = claim_one(store).await;
    apply(&mut claim.task, TaskEvent::Cancelled);
    store.advance(&claim.task, claim.epoch, NOW, Some(&telling(message))).await.expect("advance");
}

async fn claim_all(store: &dyn Store) -> Vec<DeliveryClaim> {
    store.claim_deliveries("sender", LEASE, usize::MAX, &[]).await.expect("claim")
}

async fn settle(store: &dyn Store, claim: &DeliveryClaim, tried: Tried) -> Result<(), StoreError> {
    store.settle_delivery(&claim.delivery.message.id, claim.epoch, &tried).await
}

fn again(after: Duration) -> Tried {
    Tried::Again { after, error: "status 500".into() }
}

/// A message exists when its task has ended, as it was given, and survives.
pub async fn a_message_is_stored_with_the_end_of_its_task(harness: &mut dyn Harness) {
    let store = harness.store();
    assert_eq!(store.next_delivery_in().await.expect("next"), None);
    end_with(&*store, "a", &message("m", "h")).await;
    drop(store);
    harness.crash().await;
    let store = harness.store();
    assert_eq!(store.next_delivery_in().await.expect("next"), Some(Duration::ZERO));
    let claims = claim_all(&*store).await;
    let [claim] = &claims[..] else { panic!("{claims:?}") };
    assert_eq!(claim.delivery.message, message("m", "h"));
    assert_eq!((&claim.delivery.task, claim.delivery.tries), (&TaskId::new("a"), 0));
    assert_eq!(claim.delivery.state, DeliveryState::Waiting);
}

/// A writer that loses leaves no message.
pub async fn a_stale_writer_leaves_no_message(harness: &mut dyn Harness) {
    let store = harness.store();
    create(&*store, &task("a", "ann")).await;
    let mut claim = claim_one(&*store).await;
    let stale = claim.clone();
    advance(&*store, &mut claim, TaskEvent::Cancelled, NOW).await;
    let mut late = stale.task;
    apply(&mut late, TaskEvent::Cancelled);
    let result = store.advance(&late, stale.epoch, NOW, Some(&telling(&message("m", "h")))).await;
    assert!(matches!(result, Err(StoreError::Stale)), "{result:?}");
    assert!(claim_all(&*store).await.is_empty());
}

/// A message that failed comes again after its delay, and one that arrived or died does not.
pub async fn a_message_is_tried_until_it_is_settled(harness: &mut dyn Harness) {
    let store = harness.store();
    end_with(&*store, "a", &message("m", "h")).await;
    end_with(&*store, "b", &message("n", "h")).await;
    let claims = claim_all(&*store).await;
    settle(&*store, &claims[0], again(Duration::from_secs(2))).await.expect("settle");
    settle(&*store, &claims[1], Tried::Delivered).await.expect("settle");
    assert!(claim_all(&*store).await.is_empty());
    assert_eq!(store.next_delivery_in().await.expect("next"), Some(Duration::from_secs(2)));
    harness.pass(Duration::from_secs(2));
    let claims = claim_all(&*store).await;
    assert_eq!((claims.len(), claims[0].delivery.tries), (1, 1));
    assert_eq!(claims[0].delivery.last_error.as_deref(), Some("status 500"));
    settle(&*store, &claims[0], Tried::Dead { error: "gone".into() }).await.expect("settle");
    assert_eq!(store.next_delivery_in().await.expect("next"), None);
}

/// While a message is claimed nobody else has it; whoever is late has lost it.
pub async fn a_claimed_message_is_sent_by_one(harness: &mut dyn Harness) {
    let store = harness.store();
    end_with(&*store, "a", &message("m", "h")).await;
    let first = claim_all(&*store).await.remove(0);
    assert!(claim_all(&*store).await.is_empty());
    harness.pass(LEASE);
    let second = claim_all(&*store).await.remove(0);
    assert!(second.epoch > first.epoch);
    assert!(matches!(settle(&*store, &first, Tried::Delivered).await, Err(StoreError::Stale)));
    settle(&*store, &second, Tried::Delivered).await.expect("settle");
    assert!(matches!(settle(&*store, &second, Tried::Delivered).await, Err(StoreError::Stale)));
}

/// Messages to hosts that are busy are left where they are.
pub async fn a_busy_host_keeps_nobody_else_waiting(harness: &mut dyn Harness) {
    let store = harness.store();
    end_with(&*store, "a", &message("m", "slow")).await;
    end_with(&*store, "b", &message("n", "it's \"fast\"")).await;
    let busy = ["slow".to_owned(), "another".to_owned()];
    let claims = store.claim_deliveries("sender", LEASE, 10, &busy).await.expect("claim");
    assert_eq!((claims.len(), claims[0].delivery.message.id.as_str()), (1, "n"));
    assert_eq!(claim_all(&*store).await[0].delivery.message.id, "m");
}

/// Dead messages are listed, and tried again when somebody says so: one, or all.
pub async fn dead_messages_are_listed_and_replayed(harness: &mut dyn Harness) {
    let store = harness.store();
    for (task, id) in [("a", "m"), ("b", "n")] {
        end_with(&*store, task, &message(id, "h")).await;
        harness.pass(Duration::from_secs(1));
        let claim = claim_all(&*store).await.remove(0);
        settle(&*store, &claim, Tried::Dead { error: "gone".into() }).await.expect("settle");
    }
    let dead = store.deliveries(DeliveryState::Dead, 10).await.expect("list");
    let ids: Vec<&str> = dead.iter().map(|delivery| delivery.message.id.as_str()).collect();
    assert_eq!(ids, ["n", "m"], "latest first");
    assert_eq!(store.replay_deliveries(Some("m")).await.expect("replay"), 1);
    assert_eq!(store.replay_deliveries(Some("m")).await.expect("replay"), 0, "it is not dead any more");
    assert_eq!(claim_all(&*store).await[0].delivery.tries, 0);
    assert_eq!(store.replay_deliveries(None).await.expect("replay"), 1);
    assert!(store.deliveries(DeliveryState::Dead, 10).await.expect("list").is_empty());
}
