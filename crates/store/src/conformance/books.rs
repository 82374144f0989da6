//! Reads of the ledger, and money that waits for a decision.

use std::time::Duration;

use domain::{
    AccountName, Failure, FailureKind, Money, Quote, QuotedPrice, Settlement, Task, TaskEvent, TaskId,
};

use super::Harness;
use super::samples::{LEASE, NOW, UNLIMITED, accepted, advance, apply, intended, task};
use crate::{
    Admission, Claim, Ending, HeldVerdict, KeyRecord, KnownWork, LedgerBy, LedgerKind, LedgerRow, LedgerSpan,
    LedgerTotal, Next, Store, Terms,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn money(text: &str) -> Money {
    Money::parse(text).expect("an amount")
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

/// Sent to the cheap account.
async fn sent(store: &dyn Store, task: &Task) -> Claim {
    let terms = Terms { budget: Some(money("10")), ..Terms::concurrent_tasks(UNLIMITED) };
    assert_eq!(store.create(task, &terms).await.expect("create"), Admission::Admitted);
    let mut claim = store.claim_due("worker", LEASE, 1).await.expect("claim").remove(0);
    apply(&mut claim.task, intended("cheap"));
    claim
}

async fn end(store: &dyn Store, claim: &mut Claim, event: TaskEvent) {
    apply(&mut claim.task, event);
    let end = Ending { settlement: claim.task.settlement(), ..Ending::default() };
    store.advance(&claim.task, claim.epoch, NOW, Some(&end)).await.expect("advance");
}

async fn succeeded(store: &dyn Store, id: &str, owner: &str) {
    let mut claim = sent(store, &priced(id, owner)).await;
    for event in [accepted(&format!("h-{id}")), TaskEvent::Ready { sources: vec![] }] {
        apply(&mut claim.task, event);
    }
    end(store, &mut claim, TaskEvent::Collected { outputs: vec![] }).await;
}

async fn failed(store: &dyn Store, id: &str, owner: &str) {
    let mut claim = sent(store, &priced(id, owner)).await;
    advance(store, &mut claim, accepted(&format!("h-{id}")), Next::Keep { lease: LEASE }).await;
    apply(&mut claim.task, TaskEvent::AttemptFailed { reason: "f".into() });
    let failure = Failure::new(FailureKind::GenerationFailed, "f");
    end(store, &mut claim, TaskEvent::Failed { failure }).await;
}

async fn unknown(store: &dyn Store, id: &str, owner: &str) {
    let mut claim = sent(store, &priced(id, owner)).await;
    apply(&mut claim.task, TaskEvent::SubmitUnknown { reason: "lost".into() });
    end(store, &mut claim, TaskEvent::DeadlinePassed).await;
}

async fn rows(store: &dyn Store, span: LedgerSpan) -> Vec<LedgerRow> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let page = store.ledger((after, 2), span, None).await.expect("ledger");
        let Some(last) = page.last() else { return all };
        after = last.sequence;
        all.extend(page);
    }
}

fn total(of: &str, [reserved, captured, released]: [&str; 3]) -> LedgerTotal {
    LedgerTotal {
        of: of.to_owned(),
        reserved: money(reserved),
        captured: money(captured),
        released: money(released),
        late: Money::ZERO,
    }
}

/// In pages, each row once, in the order in which they were written.
pub async fn the_ledger_is_read_in_pages(harness: &mut dyn Harness) {
    let store = harness.store();
    let key = KeyRecord {
        owner: domain::OwnerId::new("ann"),
        name: "Ann's".into(),
        digest: [7; 32],
        requests_per_minute: None,
        concurrent_tasks: None,
        budget: None,
        dialect: None,
        created_at: super::samples::AT,
        revoked_at: None,
    };
    store.put_key(&key).await.expect("put_key");
    succeeded(&*store, "a", "ann").await;
    failed(&*store, "b", "bob").await;
    harness.crash().await;
    let all = rows(&*harness.store(), LedgerSpan::default()).await;
    let shown: Vec<_> = all.iter().map(|row| (row.task.as_str(), row.kind, row.amount.to_string())).collect();
    let (reserve, capture, release) = (LedgerKind::Reserve, LedgerKind::Capture, LedgerKind::Release);
    let expected = [
        ("a", reserve, "1".to_owned()),
        ("a", capture, "0.3".to_owned()),
        ("a", release, "0.7".to_owned()),
        ("b", reserve, "1".to_owned()),
        ("b", release, "1".to_owned()),
    ];
    assert_eq!(shown, expected);
    assert!(all.is_sorted_by_key(|row| row.sequence));
    assert_eq!((all[0].key_name.as_deref(), all[3].key_name.as_deref()), (Some("Ann's"), None));
    assert_eq!((all[1].account.clone(), all[0].account.clone()), (Some(AccountName::new("cheap")), None));
    assert_eq!(all[1].handle.as_deref(), Some("h-a"));
    let paid = harness.store().ledger((0, 9), LedgerSpan::default(), Some(&AccountName::new("cheap"))).await;
    assert_eq!(paid.expect("ledger"), [all[1].clone()]);
}

/// From a moment on, and up to before another.
pub async fn a_span_of_the_ledger_has_its_rows_alone(harness: &mut dyn Harness) {
    let store = harness.store();
    failed(&*store, "a", "ann").await;
    harness.pass(DAY);
    failed(&*store, "b", "ann").await;
    let all = rows(&*store, LedgerSpan::default()).await;
    let second_day = all[2].at;
    assert!(second_day > all[1].at);
    let from = LedgerSpan { from: Some(second_day), to: None };
    let to = LedgerSpan { from: None, to: Some(second_day) };
    assert_eq!((rows(&*store, from).await, rows(&*store, to).await), (all[2..].to_vec(), all[..2].to_vec()));
    for span in [from, to] {
        let totals = store.ledger_totals(LedgerBy::Model, span).await.expect("totals");
        assert_eq!(totals, [total("veo3.1", ["1", "0", "1"])]);
    }
    assert_eq!(store.ledger_totals(LedgerBy::Day, LedgerSpan::default()).await.expect("totals").len(), 2);
}

/// By whom they are made, who is paid, what for.
pub async fn the_ledger_is_summed(harness: &mut dyn Harness) {
    let store = harness.store();
    succeeded(&*store, "a", "ann").await;
    succeeded(&*store, "b", "ann").await;
    failed(&*store, "c", "bob").await;
    unknown(&*store, "d", "bob").await;
    let totals = async |by| store.ledger_totals(by, LedgerSpan::default()).await.expect("totals");
    let by_owner = totals(LedgerBy::Owner).await;
    assert_eq!(by_owner, [total("ann", ["2", "0.6", "1.4"]), total("bob", ["2", "0", "1"])]);
    let open: Vec<_> = by_owner.iter().map(|total| (total.open(), total.spent())).collect();
    assert_eq!(
        open,
        [(Some(money("0")), Some(money("0.6"))), (Some(money("1")), Some(money("0")))],
        "what is not settled stays set aside"
    );
    let by_account = totals(LedgerBy::Account).await;
    assert_eq!(by_account, [total("", ["4", "0", "2.4"]), total("cheap", ["0", "0.6", "0"])]);
    assert_eq!(totals(LedgerBy::Model).await, [total("veo3.1", ["4", "0.6", "2.4"])]);
}

/// Only of tasks that have ended and are not settled; each is settled once.
pub async fn held_money_is_listed_and_settled_once(harness: &mut dyn Harness) {
    let store = harness.store();
    succeeded(&*store, "a", "ann").await;
    unknown(&*store, "b", "ann").await;
    unknown(&*store, "c", "ann").await;
    let _under_way = sent(&*store, &priced("d", "ann")).await;
    let held = store.held_money((0, 9)).await.expect("held");
    let shown: Vec<_> = held.iter().map(|held| (held.task.as_str(), held.amount)).collect();
    assert_eq!(shown, [("b", money("1")), ("c", money("1"))]);
    assert_eq!(held[0].account, Some(AccountName::new("cheap")));
    let page = store.held_money((held[0].sequence, 9)).await.expect("held");
    assert_eq!(page, held[1..]);

    let settle =
        async |id: &str, verdict| store.settle_held(&TaskId::new(id), verdict).await.expect("settle");
    let captured = Settlement { captured: money("0.3"), released: money("0.7") };
    assert_eq!(
        settle("b", HeldVerdict::Capture).await,
        Some(captured),
        "the price of the account that was asked"
    );
    assert_eq!(settle("c", HeldVerdict::Release).await, Some(Settlement::release(money("1"))));
    for id in ["a", "b", "c", "d", "none"] {
        assert_eq!(settle(id, HeldVerdict::Release).await, None, "{id}");
    }
    harness.crash().await;
    let store = harness.store();
    assert_eq!(store.held_money((0, 9)).await.expect("held"), []);
    let totals = store.ledger_totals(LedgerBy::Owner, LedgerSpan::default()).await.expect("totals");
    assert_eq!(totals, [total("ann", ["4", "0.6", "2.4"])]);

    // What was freed can be set aside again, and no more: of 10, 0.6 is spent and 1 set aside.
    let mut much = priced("much", "ann");
    much.quote.reserved = money("8.400000001");
    let terms = Terms { budget: Some(money("10")), ..Terms::concurrent_tasks(UNLIMITED) };
    let over = store.create(&much, &terms).await.expect("create");
    assert_eq!(over, Admission::OverBudget { left: money("8.4") });
}

/// What a supplier's bill names.
pub async fn work_is_known_by_its_handle(harness: &mut dyn Harness) {
    let store = harness.store();
    succeeded(&*store, "a", "ann").await;
    failed(&*store, "b", "ann").await;
    unknown(&*store, "c", "ann").await;
    let heard = crate::Heard {
        account: AccountName::new("cheap"),
        digest: [1; 32],
        attempt: (TaskId::new("c"), 1),
        handle: Some("h-c".into()),
    };
    store.hear(&heard).await.expect("hear");
    let known = async |account: &str, handle: &str| {
        store.known_work(&AccountName::new(account), handle).await.expect("known_work")
    };
    let work = |task: &str, state: &str, spent: &str, held: &str| KnownWork {
        task: TaskId::new(task),
        state: state.to_owned(),
        spent: money(spent),
        held: money(held),
    };
    assert_eq!(known("cheap", "h-a").await, Some(work("a", "succeeded", "0.3", "0")));
    assert_eq!(known("cheap", "h-b").await, Some(work("b", "failed", "0", "0")));
    assert_eq!(known("cheap", "h-c").await, Some(work("c", "failed", "0", "1")), "a callback has named it");
    assert_eq!(known("dear", "h-a").await, None);
    assert_eq!(known("cheap", "h-x").await, None);
}
