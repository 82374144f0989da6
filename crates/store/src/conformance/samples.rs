//! Tasks to test with.

use std::time::Duration;

use domain::{
    AccountName, AssetId, Basis, Callback, Derivation, GenerationRequest, Input, Media, NewAttempt,
    OutputSpec, OwnerId, Preference, Quote, Role, Scope, Task, TaskEvent, TaskId, TaskState, Timestamp,
    Vendor,
};

use crate::{Admission, Claim, Next, Store, Terms};

pub(super) const LEASE: Duration = Duration::from_secs(30);
pub(super) const UNLIMITED: u32 = u32::MAX;
pub(super) const NOW: Next = Next::Due { after: Duration::ZERO };

/// A moment that is not the store's, as the caller's clock is not.
pub(super) const AT: Timestamp = Timestamp::from_millis(1_763_700_000_123);

/// A queued task that has little.
pub(super) fn task(id: &str, owner: &str) -> Task {
    Task {
        id: TaskId::new(id),
        owner: OwnerId::new(owner),
        dialect: "v2".into(),
        request: GenerationRequest::new(Scope::Videos, "veo3.1", "a cat"),
        state: TaskState::Queued,
        attempts: Vec::new(),
        created_at: AT,
        deadline_at: AT.plus(Duration::from_secs(3600)),
        quote: Quote::default(),
        version: 0,
    }
}

/// A queued task that has everything, with values that a careless store would change.
pub(super) fn full_task(id: &str, owner: &str) -> Task {
    let fields = serde_json::json!({
        "zeta": 31.245270191439438,
        "alpha": [121.48791951161945, -0.0, 1e-300, u64::MAX, i64::MIN, null, true],
        "nested": {"quote": "\"\\\u{0}\u{7f}", "empty": {}},
    });
    let mut task = task(id, owner);
    task.request.prompt = "Ein Kätzchen \u{1f431} surft\r\n'; DROP TABLE tasks; --\u{0}\u{fffd}".into();
    task.request.inputs = vec![
        Input { role: Role::FirstFrame, media: Media::Url("https://example.com/a.png?x=1&y=%20".into()) },
        Input {
            role: Role::LastFrame,
            media: Media::Asset { id: AssetId::new("00ff"), media_type: "image/png".into() },
        },
    ];
    task.request.output = OutputSpec {
        aspect_ratio: Some("16:9".into()),
        resolution: Some("1080p".into()),
        size: Some("1024x1024".into()),
        duration_s: Some(8),
        seed: Some(u64::MAX),
        enhance_prompt: Some(false),
        upsample: Some(true),
        watermark: Some(false),
        count: Some(u32::MAX),
        negative_prompt: Some("dogs \u{1f415}".into()),
        audio: Some(true),
        quality: Some("high".into()),
        format: Some("png".into()),
        voice: Some("alloy".into()),
    };
    task.request.basis = Some(Basis {
        task: TaskId::new("earlier"),
        index: 1,
        derivation: Derivation::Upscale,
        account: AccountName::new("kie-main"),
        handle: "h/1?x".into(),
    });
    task.request.callback =
        Some(Callback { url: "https://example.com/done?x=%20".into(), events: vec!["completed".into()] });
    task.request.preference = Preference::official();
    task.request.vendor =
        Some(Vendor { api: "kie".into(), fields: fields.as_object().cloned().unwrap_or_default() });
    task
}

pub(super) fn plan(account: &str) -> NewAttempt {
    NewAttempt {
        account: AccountName::new(account),
        provider: "kie".into(),
        upstream_model: "veo3_fast".into(),
        account_version: "v-7".into(),
    }
}

pub(super) fn intended(account: &str) -> TaskEvent {
    TaskEvent::SubmitIntended { plan: plan(account) }
}

pub(super) fn accepted(handle: &str) -> TaskEvent {
    TaskEvent::Accepted { handle: handle.into() }
}

pub(super) fn apply(task: &mut Task, event: TaskEvent) {
    task.apply(event, AT).expect("the suite applies only what is legal");
}

pub(super) async fn create(store: &dyn Store, task: &Task) {
    let admission = store.create(task, &Terms::concurrent_tasks(UNLIMITED)).await.expect("create");
    assert_eq!(admission, Admission::Admitted);
}

/// Claims everything that is due.
pub(super) async fn claim_all(store: &dyn Store) -> Vec<Claim> {
    store.claim_due("worker", LEASE, usize::MAX).await.expect("claim")
}

/// Claims the only task that is due.
pub(super) async fn claim_one(store: &dyn Store) -> Claim {
    let mut claims = claim_all(store).await;
    assert_eq!(claims.len(), 1, "one task is due: {claims:?}");
    claims.remove(0)
}

pub(super) async fn load(store: &dyn Store, id: &TaskId) -> Task {
    store.load(id).await.expect("load").expect("the task is stored")
}

/// Applies `event` to a claimed task and writes it.
pub(super) async fn advance(store: &dyn Store, claim: &mut Claim, event: TaskEvent, next: Next) {
    apply(&mut claim.task, event);
    claim.task.version = store.advance(&claim.task, claim.epoch, next, None).await.expect("advance");
}

pub(super) fn ids(claims: &[Claim]) -> Vec<&str> {
    claims.iter().map(|claim| claim.task.id.as_str()).collect()
}
