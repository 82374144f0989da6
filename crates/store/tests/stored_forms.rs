//! What a released version has stored must load for ever: one dump for each schema version, with every state, every
//! outcome of an attempt and every kind of media. A dump is never edited. For a new schema version, or when a stored
//! type gets a variant, add the next one: `sqlite3 store.sqlite .dump` of a database that has these tasks.

use std::time::Duration;

use domain::{
    AccountName, AssetId, Attempt, AttemptOutcome, Basis, Callback, Derivation, Failure, FailureKind,
    GenerationRequest, Input, Media, MediaKind, NewAttempt, Output, OutputMedia, OutputSpec, OwnerId,
    Preference, Quote, Retry, Role, Scope, Source, Task, TaskId, TaskState, Timestamp, Vendor,
};
use store::{
    AssetRecord, Assets, Clock, Deliveries, DeliveryState, KeyRecord, Keys, ListTasks, NewDelivery,
    SqliteSettings, SqliteStore, Tasks,
};

#[tokio::test]
async fn what_version_1_stored_still_loads() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch(include_str!("fixtures/v1.sql")).unwrap();
    drop(connection);

    let settings = SqliteSettings { clock: Clock::new(|| at(60)), ..SqliteSettings::default() };
    let store = SqliteStore::open_exclusive(&path, settings).unwrap();
    for task in tasks() {
        assert_eq!(store.load(&task.id).await.unwrap(), Some(task));
    }
    assert_eq!(store.asset(&asset().id).await.unwrap(), Some(asset()));
    assert_eq!(store.keys().await.unwrap(), keys());
    let claims = store.claim_due("worker", Duration::from_secs(1), usize::MAX).await.unwrap();
    assert_eq!(claims.len(), tasks().iter().filter(|task| !task.state.is_terminal()).count());
}

/// What versions 2 and 3 added: lists, wishes to cancel, forgetting, expiry, the API of a key, deliveries, and fields of
/// requests and sources.
#[tokio::test]
async fn what_version_3_stored_still_loads() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.sqlite");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch(include_str!("fixtures/v3.sql")).unwrap();
    drop(connection);

    let settings = SqliteSettings { clock: Clock::new(|| at(60)), ..SqliteSettings::default() };
    let store = SqliteStore::open_exclusive(&path, settings).unwrap();
    let all = ListTasks { scope: None, after: None, limit: 10, ascending: true };
    assert_eq!(store.list(&OwnerId::new("ann"), &all).await.unwrap(), [added_by_3()]);
    assert_eq!(store.load(&TaskId::new("forgotten")).await.unwrap(), None);
    let expiring = AssetRecord { expires_at: Some(at(100)), ..asset() };
    assert_eq!(store.asset(&asset().id).await.unwrap(), Some(expiring));
    assert_eq!(store.keys().await.unwrap()[0].dialect.as_deref(), Some("kie"));
    let claims = store.claim_due("worker", Duration::from_secs(1), usize::MAX).await.unwrap();
    assert!(claims.len() == 1 && claims[0].cancel_requested);
    let [dead] = &store.deliveries(DeliveryState::Dead, 10).await.unwrap()[..] else { panic!("one") };
    assert_eq!((dead.message.clone(), dead.tries), (message(), 1));
    assert_eq!(dead.last_error.as_deref(), Some("status 500"));
}

fn added_by_3() -> Task {
    let mut request = full();
    request.inputs = vec![
        Input { role: Role::Audio, media: Media::Url("https://example.com/a.mp3".into()) },
        Input { role: Role::Mask, media: Media::Url("https://example.com/mask.png".into()) },
    ];
    request.output = OutputSpec {
        count: Some(4),
        negative_prompt: Some("dogs".into()),
        audio: Some(true),
        quality: Some("high".into()),
        format: Some("png".into()),
        voice: Some("alloy".into()),
        ..OutputSpec::default()
    };
    request.basis = Some(Basis {
        task: TaskId::new("task-1"),
        index: 1,
        derivation: Derivation::Upscale,
        account: AccountName::new("kie-main"),
        handle: "up-0".into(),
    });
    request.callback =
        Some(Callback { url: "https://example.com/done".into(), events: vec!["completed".into()] });
    request.preference = Preference::official();
    let source =
        Source { needs_credential: true, ..Source::open(MediaKind::Video, "https://up.example/1.mp4") };
    let collecting = TaskState::Collecting { handle: "up-1".into(), since: at(2), sources: vec![source] };
    Task { request, ..task(11, collecting) }
}

fn message() -> NewDelivery {
    NewDelivery {
        id: "msg_1".into(),
        host: "example.com:443".into(),
        url: "https://example.com/done".into(),
        content_type: "application/json".into(),
        body: b"{}".to_vec(),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + second * 1000)
}

fn tasks() -> Vec<Task> {
    let (handle, since) = ("up-1".to_owned(), at(2));
    let video = MediaKind::Video;
    let states = [
        TaskState::Queued,
        TaskState::Submitting { since },
        TaskState::Unknown { since },
        TaskState::Running { handle: handle.clone(), since, percent: Some(42) },
        TaskState::Running { handle: handle.clone(), since, percent: None },
        TaskState::Collecting {
            handle,
            since,
            sources: vec![Source::open(video, "https://up.example/1.mp4")],
        },
        TaskState::Succeeded {
            outputs: vec![
                Output { kind: video, media: stored("f00d", "video/mp4") },
                Output { kind: MediaKind::Image, media: stored("beef", "image/png") },
                Output {
                    kind: MediaKind::Audio,
                    media: OutputMedia::Remote { url: "https://up.example/1.wav".into() },
                },
            ],
            at: at(9),
        },
        TaskState::Failed { failure: failure(), at: at(9) },
        TaskState::Cancelled { at: at(9) },
        TaskState::Expired { at: at(9) },
    ];
    (1..).zip(states).map(|(number, state)| task(number, state)).collect()
}

fn task(number: u64, state: TaskState) -> Task {
    let attempts = match &state {
        TaskState::Queued => Vec::new(),
        TaskState::Submitting { .. } => attempts(AttemptOutcome::Intended),
        TaskState::Unknown { .. } => attempts(AttemptOutcome::Unknown { reason: "reset".into() }),
        TaskState::Failed { .. } => attempts(AttemptOutcome::Failed { reason: "broken".into() }),
        _ => attempts(AttemptOutcome::Accepted { handle: "up-1".into(), at: at(2) }),
    };
    Task {
        id: TaskId::new(format!("task-{number}")),
        owner: OwnerId::new("ann"),
        dialect: "v2".into(),
        request: if number == 2 { full() } else { little() },
        state,
        attempts,
        created_at: at(0),
        deadline_at: at(3600),
        quote: Quote::default(),
        version: number,
    }
}

fn attempts(last: AttemptOutcome) -> Vec<Attempt> {
    let not_sent = AttemptOutcome::NotSent { reason: "refused".into() };
    let rejected = AttemptOutcome::Rejected { reason: "busy".into() };
    let attempt = |(number, outcome)| Attempt {
        number,
        plan: NewAttempt {
            account: AccountName::new("kie-main"),
            provider: "kie".into(),
            upstream_model: "veo3_fast".into(),
            account_version: String::new(),
        },
        intended_at: at(1),
        outcome,
    };
    (1..).zip([not_sent, rejected, last]).map(attempt).collect()
}

fn little() -> GenerationRequest {
    GenerationRequest::new(Scope::Images, "veo3.1", "a cat")
}

fn full() -> GenerationRequest {
    let url = |name| Media::Url(format!("https://example.com/{name}"));
    let fields =
        serde_json::json!({"callBackUrl": "https://example.com/done", "weight": 0.1, "tags": ["a", null]});
    GenerationRequest {
        scope: Scope::Videos,
        inputs: vec![
            Input { role: Role::FirstFrame, media: url("first.png") },
            Input { role: Role::LastFrame, media: url("last.png") },
            Input {
                role: Role::Reference,
                media: Media::Asset { id: AssetId::new("cafe"), media_type: "image/png".into() },
            },
            Input { role: Role::Video, media: url("clip.mp4") },
        ],
        output: OutputSpec {
            aspect_ratio: Some("16:9".into()),
            resolution: Some("1080p".into()),
            size: Some("1024x1024".into()),
            duration_s: Some(8),
            seed: Some(u64::MAX),
            enhance_prompt: Some(true),
            upsample: Some(false),
            watermark: Some(true),
            ..OutputSpec::default()
        },
        vendor: Some(Vendor { api: "kie".into(), fields: fields.as_object().cloned().unwrap_or_default() }),
        ..little()
    }
}

fn failure() -> Failure {
    let mut failure = Failure::new(FailureKind::UpstreamRejected, "the provider refused the request")
        .with_internal("422 from kie-main")
        .with_retry_after(Duration::from_millis(1500))
        .with_retry(Retry::Elsewhere);
    failure.field = Some("prompt".into());
    failure
}

fn stored(asset: &str, media_type: &str) -> OutputMedia {
    OutputMedia::Stored { asset: AssetId::new(asset), media_type: media_type.into(), bytes: 12_345 }
}

fn asset() -> AssetRecord {
    AssetRecord {
        id: AssetId::new("f00d"),
        owner: OwnerId::new("ann"),
        media_type: "video/mp4".into(),
        bytes: 12_345,
        created_at: at(8),
        expires_at: None,
    }
}

fn keys() -> [KeyRecord; 2] {
    let key = KeyRecord {
        owner: OwnerId::new("ann"),
        name: "Ann's".into(),
        digest: [7; 32],
        requests_per_minute: None,
        concurrent_tasks: None,
        budget: None,
        dialect: None,
        created_at: at(0),
        revoked_at: None,
    };
    let limited = KeyRecord {
        owner: OwnerId::new("bob"),
        name: "Bob's".into(),
        digest: [8; 32],
        requests_per_minute: Some(60),
        concurrent_tasks: Some(2),
        budget: None,
        dialect: None,
        created_at: at(1),
        revoked_at: Some(at(5)),
    };
    [key, limited]
}
