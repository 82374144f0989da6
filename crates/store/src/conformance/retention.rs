//! What is past its time goes, and nothing before its time.

use std::time::Duration;

use domain::{AssetId, MediaKind, Output, OutputMedia, OwnerId, TaskEvent, TaskId, Timestamp};

use super::Harness;
use super::samples::{LEASE, NOW, UNLIMITED, accepted, create, intended, task};
use crate::{
    Admission, AssetRecord, Claim, Ending, IdempotencyKey, LateWord, NewDelivery, Store, Terms, Tried,
};

const HOUR: Duration = Duration::from_secs(3600);
const AGE: Duration = Duration::from_secs(100 * 3600);
/// Less than an hour before the moment at which the clock of a harness begins.
const START: Timestamp = Timestamp::from_millis(0);
const KEY_HOURS_MAX: u64 = 300;

fn hours(count: u64) -> Duration {
    HOUR * u32::try_from(count).unwrap_or(u32::MAX)
}

fn asset(id: &str, expires_at: Option<Timestamp>) -> AssetRecord {
    AssetRecord {
        id: AssetId::new(id),
        owner: OwnerId::new("ann"),
        media_type: "video/mp4".into(),
        bytes: 3,
        created_at: Timestamp::from_millis(0),
        expires_at,
    }
}

fn output(id: &str) -> Output {
    let media = OutputMedia::Stored { asset: AssetId::new(id), media_type: "video/mp4".into(), bytes: 3 };
    Output { kind: MediaKind::Video, media }
}

fn message(id: &str) -> NewDelivery {
    NewDelivery {
        id: format!("msg-{id}"),
        host: "example.com:443".into(),
        url: "https://example.com/done".into(),
        content_type: "application/json".into(),
        body: b"{}".to_vec(),
    }
}

/// Ends the claimed task at that moment of the store's clock.
async fn end(store: &dyn Store, claim: &mut Claim, outputs: Vec<Output>, at: Timestamp, end: Ending) {
    for event in [intended("main"), accepted(claim.task.id.as_str()), TaskEvent::Ready { sources: vec![] }] {
        claim.task.apply(event, at).expect("legal");
    }
    claim.task.apply(TaskEvent::Collected { outputs }, at).expect("legal");
    store.advance(&claim.task, claim.epoch, NOW, Some(&end)).await.expect("advance");
}

async fn claim_of(store: &dyn Store, id: &TaskId) -> Claim {
    let claims = store.claim_due("worker", LEASE, usize::MAX).await.expect("claim");
    claims.into_iter().find(|claim| claim.task.id == *id).expect("it is due")
}

async fn purge(store: &dyn Store) -> usize {
    store.purge_tasks(AGE, usize::MAX).await.expect("purge")
}

async fn is_there(store: &dyn Store, id: &TaskId) -> bool {
    store.load(id).await.expect("load").is_some()
}

/// What has passed since the harness was opened.
struct Elapsed(Duration);

impl Elapsed {
    /// The moment by the store's clock, less than an hour behind; all times here are whole hours.
    fn now(&self) -> Timestamp {
        START.plus(self.0)
    }

    fn pass(&mut self, harness: &dyn Harness, time: Duration) {
        harness.pass(time);
        self.0 += time;
    }
}

/// Each of what may still be needed keeps it, however old it is; a live task is never old.
pub async fn a_task_goes_when_nothing_needs_it_any_more(harness: &mut dyn Harness) {
    let store = harness.store();
    let mut clock = Elapsed(Duration::ZERO);
    for id in ["plain", "message", "watched", "result"] {
        create(&*store, &task(id, "ann")).await;
        let mut claim = claim_of(&*store, &TaskId::new(id)).await;
        let ending = Ending {
            message: (id == "message").then(|| message(id)),
            watch: (id == "watched").then_some(2 * AGE),
            ..Ending::default()
        };
        store.put_asset(&asset(id, Some(START.plus(3 * AGE)))).await.expect("asset");
        let outputs = if id == "result" { vec![output(id)] } else { vec![] };
        end(&*store, &mut claim, outputs, clock.now(), ending).await;
    }
    let key = IdempotencyKey { key: "k".into(), fingerprint: [1; 32], lifetime: 2 * AGE };
    let terms = Terms { idempotency: Some(key), ..Terms::concurrent_tasks(UNLIMITED) };
    store.create(&task("key", "ann"), &terms).await.expect("create");
    let mut claim = claim_of(&*store, &TaskId::new("key")).await;
    end(&*store, &mut claim, vec![], clock.now(), Ending::default()).await;
    create(&*store, &task("live", "ann")).await;

    let left = async |ids: &[&str]| {
        for id in ["plain", "message", "watched", "result", "key", "live"] {
            assert_eq!(is_there(&*store, &TaskId::new(id)).await, ids.contains(&id), "{id} of {ids:?}");
        }
    };
    clock.pass(harness, AGE - HOUR);
    assert_eq!(purge(&*store).await, 0);
    clock.pass(harness, 2 * HOUR);
    purge(&*store).await;
    left(&["message", "watched", "result", "key", "live"]).await;
    let told = store.claim_deliveries("deliverer", LEASE, 1, &[]).await.expect("claim").remove(0);
    let refused = Tried::Dead { error: "gone".into() };
    store.settle_delivery(&told.delivery.message.id, told.epoch, &refused).await.expect("settle");
    purge(&*store).await;
    left(&["watched", "result", "key", "live"]).await;
    let watch = store.claim_late(LEASE, 1).await.expect("claim").remove(0);
    store.settle_late(&watch, &LateWord::Failed).await.expect("settle");
    purge(&*store).await;
    left(&["result", "key", "live"]).await;
    clock.pass(harness, AGE);
    purge(&*store).await;
    left(&["result", "live"]).await;
    clock.pass(harness, AGE);
    purge(&*store).await;
    left(&["live"]).await;
    harness.crash().await;
    assert!(is_there(&*harness.store(), &TaskId::new("live")).await);
}

/// A task of a random history, and what is known of it.
struct Known {
    id: TaskId,
    ended_at: Option<Timestamp>,
    key_until: Option<Timestamp>,
    result_until: Option<Timestamp>,
}

impl Known {
    fn may_go(&self, now: Timestamp) -> bool {
        let over = |until: Option<Timestamp>| until.is_none_or(|until| until <= now);
        self.ended_at.is_some_and(|at| now.since(at) >= AGE && now >= at)
            && over(self.key_until)
            && over(self.result_until)
    }
}

/// Random numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn maybe<T>(&mut self, value: T) -> Option<T> {
        (self.below(2) == 0).then_some(value)
    }
}

/// Two hundred tasks that are made, end and expire at random; each purge takes what may go, and nothing else.
pub async fn random_histories_lose_nothing_before_its_time(harness: &mut dyn Harness) {
    let store = harness.store();
    let (mut dice, mut clock) = (Dice(42), Elapsed(Duration::ZERO));
    let mut known: Vec<Known> = Vec::new();
    let mut purged = 0;
    for number in 0..200 {
        let id = format!("t{number}");
        let lifetime = hours(1 + dice.below(KEY_HOURS_MAX));
        let key = dice.maybe(IdempotencyKey { key: id.clone(), fingerprint: [1; 32], lifetime });
        let key_until = key.as_ref().map(|key| clock.now().plus(key.lifetime));
        let terms = Terms { idempotency: key, ..Terms::concurrent_tasks(UNLIMITED) };
        let admission = store.create(&task(&id, "ann"), &terms).await.expect("create");
        assert_eq!(admission, Admission::Admitted);
        known.push(Known { id: TaskId::new(id), ended_at: None, key_until, result_until: None });
        let any = usize::try_from(dice.below(known.len() as u64)).expect("small");
        end_one(&*store, &mut known[any], (&mut dice, clock.now())).await;
        clock.pass(harness, hours(dice.below(6)));
        if dice.below(5) == 0 {
            purged += purge(&*store).await;
            check(&*store, &mut known, clock.now()).await;
        }
    }
    let live = known.iter().filter(|known| known.ended_at.is_none()).count();
    assert!(live > 0 && purged > 0, "{live} live, {purged} purged: nothing was tested");
    clock.pass(harness, hours(10 * KEY_HOURS_MAX));
    purged += purge(&*store).await;
    check(&*store, &mut known, clock.now()).await;
    assert_eq!((known.len(), purged), (live, 200 - live));
}

async fn end_one(store: &dyn Store, known: &mut Known, (dice, now): (&mut Dice, Timestamp)) {
    let claims = store.claim_due("worker", Duration::ZERO, usize::MAX).await.expect("claim");
    let Some(mut claim) = claims.into_iter().find(|claim| claim.task.id == known.id) else { return };
    let until = now.plus(hours(1 + dice.below(KEY_HOURS_MAX)));
    let result_until = dice.maybe(until);
    let mut outputs = Vec::new();
    if let Some(until) = result_until {
        store.put_asset(&asset(known.id.as_str(), Some(until))).await.expect("asset");
        outputs.push(output(known.id.as_str()));
    }
    end(store, &mut claim, outputs, now, Ending::default()).await;
    (known.ended_at, known.result_until) = (Some(now), result_until);
}

/// Whether what is there is what may not go yet.
async fn check(store: &dyn Store, known: &mut Vec<Known>, now: Timestamp) {
    for task in known.iter() {
        assert_eq!(is_there(store, &task.id).await, !task.may_go(now), "{} at {now:?}", task.id);
    }
    known.retain(|task| !task.may_go(now));
}

/// Their notes expire at that moment; those of other tasks stay.
pub async fn results_without_an_end_go_with_their_task(harness: &mut dyn Harness) {
    let store = harness.store();
    for id in ["old", "other"] {
        store.put_asset(&asset(id, None)).await.expect("asset");
    }
    create(&*store, &task("a", "ann")).await;
    let mut claim = claim_of(&*store, &TaskId::new("a")).await;
    end(&*store, &mut claim, vec![output("old")], START, Ending::default()).await;
    harness.pass(AGE);
    assert!(store.expired_assets(10).await.expect("expired").is_empty());
    assert_eq!(purge(&*store).await, 1);
    assert_eq!(store.expired_assets(10).await.expect("expired"), [AssetId::new("old")]);
}

/// Their tasks stay.
pub async fn keys_go_when_their_lifetimes_are_over(harness: &mut dyn Harness) {
    let store = harness.store();
    let key = |name: &str, lifetime| IdempotencyKey { key: name.into(), fingerprint: [1; 32], lifetime };
    for (id, lifetime) in [("short", HOUR), ("also short", HOUR), ("long", AGE)] {
        let terms = Terms { idempotency: Some(key(id, lifetime)), ..Terms::concurrent_tasks(UNLIMITED) };
        store.create(&task(id, "ann"), &terms).await.expect("create");
    }
    assert_eq!(store.purge_keys(10).await.expect("purge"), 0);
    harness.pass(HOUR);
    assert_eq!(store.purge_keys(1).await.expect("purge"), 1);
    assert_eq!(store.purge_keys(10).await.expect("purge"), 1);
    assert!(is_there(&*store, &TaskId::new("short")).await);
    let again = Terms { idempotency: Some(key("long", AGE)), ..Terms::concurrent_tasks(UNLIMITED) };
    let replayed = store.create(&task("again", "ann"), &again).await.expect("create");
    assert_eq!(replayed, Admission::Replayed { task: TaskId::new("long") });
}

/// Longest expired first; nobody can drop one before.
pub async fn an_asset_goes_only_when_it_has_expired(harness: &mut dyn Harness) {
    let store = harness.store();
    let mut clock = Elapsed(Duration::ZERO);
    clock.pass(harness, AGE);
    let at = clock.now();
    for (id, expires_at) in
        [("late", Some(at.plus(AGE))), ("soon", Some(at)), ("sooner", Some(START)), ("never", None)]
    {
        store.put_asset(&asset(id, expires_at)).await.expect("asset");
    }
    let expired = store.expired_assets(10).await.expect("expired");
    assert_eq!(expired, [AssetId::new("sooner"), AssetId::new("soon")]);
    assert_eq!(store.expired_assets(1).await.expect("expired").len(), 1);
    let all: Vec<AssetId> = ["late", "soon", "sooner", "never"].map(AssetId::new).to_vec();
    store.drop_expired(&all).await.expect("drop");
    for (id, stays) in [("late", true), ("soon", false), ("sooner", false), ("never", true)] {
        assert_eq!(store.asset(&AssetId::new(id)).await.expect("asset").is_some(), stays, "{id}");
    }
}
