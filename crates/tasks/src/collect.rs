//! Custody of results: they are copied before a client hears of them, because upstream URLs expire.

use std::io;
use std::time::Duration;

use domain::{
    Account, AssetId, Call, Delivered, MediaKind, Output, OutputMedia, Source, Task, TaskEvent, TaskState,
    extension_of, media_type_of_bytes, with_sources,
};
use http::HeaderMap;
use store::{AssetRecord, StoreError};
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;
use tracing::Instrument as _;
use translation::Results;
use upstream::{Bounds, Downloaded, Fetch};

use crate::clock;
use crate::held::{Held, StepError};
use crate::shared::Shared;
use crate::spans;

/// The first wait after a failed copy and its bound; in between it grows with the time already spent.
const RETRY_AFTER: Duration = Duration::from_secs(1);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// How often a lease could be renewed while it lasts.
const RENEWALS: u32 = 3;
/// The wait before a result that came in an answer is tried to be stored again; it doubles each time, up to a bound.
const KEEP_RETRY_AFTER: Duration = Duration::from_millis(200);
const KEEP_RETRY_AFTER_MAX: Duration = Duration::from_secs(10);
/// Sound without any head: its bytes show nothing.
const BARE_SAMPLES: &str = "audio/pcm";
/// How many of its first bytes show what media is.
const HEAD_BYTES: usize = 16;

/// The upstream has finished: takes custody of the results, and ends the task. Where that is its answer to the submission
/// there is nothing to ask for any more, hence no handle.
pub(crate) async fn finish(mut held: Held<'_>, results: Results) -> Result<(), StepError> {
    match results {
        Results::Kept(sources) => {
            accept_without_handle(&mut held)?;
            held.apply(TaskEvent::Ready { sources })?;
            held.keep(held.shared.settings.lease).await?;
            step(held).await
        }
        Results::Delivered(delivered) => {
            // Who answers with results does not answer twice: until they are stored they are here alone.
            held.insist(held.shared.settings.collect_hold);
            let mut outputs = Vec::new();
            for result in &delivered {
                outputs.push(keep_with_retries(&mut held, result).await?);
            }
            accept_without_handle(&mut held)?;
            held.apply(TaskEvent::Ready { sources: Vec::new() })?;
            held.apply(TaskEvent::Collected { outputs })?;
            held.done(Duration::ZERO).await
        }
    }
}

fn accept_without_handle(held: &mut Held<'_>) -> Result<(), StepError> {
    match held.task.state {
        TaskState::Submitting { .. } | TaskState::Unknown { .. } => {
            held.apply(TaskEvent::Accepted { handle: String::new() })
        }
        _ => Ok(()),
    }
}

/// A disk that is full for a while must not cost what has been paid for. The task stays as it is stored meanwhile, so that
/// after a crash it is in doubt, and nobody asks for results that nobody has.
async fn keep_with_retries(held: &mut Held<'_>, result: &Delivered) -> Result<Output, StepError> {
    let began = Instant::now();
    let mut wait = KEEP_RETRY_AFTER;
    loop {
        let kept = keep(held.shared, &held.task, result).await;
        if let Some(attempt) = held.task.attempt() {
            let outcome = if kept.is_ok() { "copied" } else { "failed" };
            held.shared.metrics.copied(attempt.plan.account.as_str(), outcome);
        }
        match kept {
            Ok(output) => return Ok(output),
            Err(source) if began.elapsed() >= held.shared.settings.collect_hold => {
                return Err(StepError::Storage { task: held.task.id.clone(), source });
            }
            Err(error) => {
                tracing::warn!(error = with_sources(&error), "a result cannot be stored");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(KEEP_RETRY_AFTER_MAX);
                held.renew().await;
            }
        }
    }
}

async fn keep(shared: &Shared, task: &Task, result: &Delivered) -> io::Result<Output> {
    let mut pending = shared.assets.begin().await?;
    pending.file().write_all(&result.bytes).await?;
    let id = pending.finish().await?;
    let head = Downloaded {
        bytes: result.bytes.len() as u64,
        head: result.bytes.iter().take(HEAD_BYTES).copied().collect(),
        content_type: result.media_type.clone(),
    };
    let media_type = media_type(&head).map_err(io::Error::other)?;
    note((shared, task), id, result.kind, (media_type, head.bytes)).await.map_err(io::Error::other)
}

/// Copies all results, then ends the task; or tries again later.
pub(crate) async fn step(mut held: Held<'_>) -> Result<(), StepError> {
    let span = spans::copying();
    let outputs = match copy_under_lease(&mut held).instrument(span.clone()).await {
        Ok(outputs) => outputs,
        Err(reason) => {
            span.record("error.type", "not_copied");
            tracing::warn!(reason, "a result could not be copied");
            return retry_later(held).await;
        }
    };
    held.apply(TaskEvent::Collected { outputs })?;
    held.done(Duration::ZERO).await
}

/// Copies all results, however long that takes, and keeps the lease meanwhile: a short one, so that nobody waits for long
/// if this process goes away.
async fn copy_under_lease(held: &mut Held<'_>) -> Result<Vec<Output>, String> {
    let (shared, task) = (held.shared, held.task.clone());
    let sources = sources(&task);
    let copying = copy_all(shared, &task, &sources);
    tokio::pin!(copying);
    loop {
        tokio::select! {
            biased;
            copied = &mut copying => return copied,
            () = tokio::time::sleep(shared.settings.lease / RENEWALS) => held.renew().await,
        }
    }
}

/// Takes custody of results that came after the end of their task: all of them, or none.
pub(crate) async fn custody(shared: &Shared, task: &Task, results: &Results) -> Result<Vec<Output>, String> {
    let delivered = match results {
        Results::Kept(sources) => return copy_all(shared, task, sources).await,
        Results::Delivered(delivered) => delivered,
    };
    let mut outputs = Vec::new();
    for result in delivered {
        outputs.push(keep(shared, task, result).await.map_err(|error| with_sources(&error))?);
    }
    Ok(outputs)
}

/// What clients can have of results that could not be copied: those that they can read where the upstream keeps them.
pub(crate) fn remote(results: &Results) -> Vec<Output> {
    let sources = match results {
        Results::Kept(sources) => sources.as_slice(),
        Results::Delivered(_) => &[],
    };
    sources.iter().filter(|source| !source.needs_credential).map(as_it_is).collect()
}

fn as_it_is(source: &Source) -> Output {
    Output { kind: source.kind, media: OutputMedia::Remote { url: source.url.clone() } }
}

async fn copy_all(shared: &Shared, task: &Task, sources: &[Source]) -> Result<Vec<Output>, String> {
    let mut outputs = Vec::new();
    for source in sources {
        match copy(shared, task, source).await {
            Ok(output) => outputs.push(output),
            Err(reason) => {
                forget(shared, &outputs).await;
                return Err(reason);
            }
        }
    }
    Ok(outputs)
}

/// Tries again later, unless it has been tried for long enough.
pub(crate) async fn retry_later(held: Held<'_>) -> Result<(), StepError> {
    let TaskState::Collecting { since, .. } = held.task.state else {
        return held.put_back(RETRY_AFTER).await;
    };
    let spent = clock::now().since(since);
    if spent >= held.shared.settings.collect_hold {
        return give_up(held).await;
    }
    held.put_back((spent / 4).clamp(RETRY_AFTER, RETRY_AFTER_MAX)).await
}

/// Ends the task with the upstream's own URLs: they will expire, but the client has paid for what they show. Where only
/// the account can read them they are tried to be copied until the deadline, and looked for after it.
pub(crate) async fn give_up(mut held: Held<'_>) -> Result<(), StepError> {
    if sources(&held.task).iter().any(|source| source.needs_credential) {
        if clock::now() >= held.task.deadline_at {
            held.apply(TaskEvent::DeadlinePassed)?;
            return held.done(Duration::ZERO).await;
        }
        tracing::error!("results could not be copied, and no client could read them: trying on");
        return held.put_back(RETRY_AFTER_MAX).await;
    }
    tracing::error!("results could not be copied; the client gets the upstream's own URLs");
    let outputs: Vec<Output> = sources(&held.task).iter().map(as_it_is).collect();
    held.shared.metrics.left(&held.task, outputs.len());
    held.apply(TaskEvent::Collected { outputs })?;
    held.done(Duration::ZERO).await
}

/// The results of a task in the state `Collecting`, where its upstream keeps them.
pub(crate) fn sources(task: &Task) -> Vec<Source> {
    match &task.state {
        TaskState::Collecting { sources, .. } => sources.clone(),
        _ => Vec::new(),
    }
}

async fn copy(shared: &Shared, task: &Task, source: &Source) -> Result<Output, String> {
    let account = task.attempt().and_then(|attempt| shared.account(&attempt.plan));
    let account = account.ok_or("its account is not configured any more")?;
    let result = try_copy((shared, task), &account, source).await;
    shared.metrics.copied(account.name.as_str(), if result.is_ok() { "copied" } else { "failed" });
    result
}

async fn try_copy(
    (shared, task): (&Shared, &Task),
    account: &Account,
    source: &Source,
) -> Result<Output, String> {
    let settings = &shared.settings;
    let bounds = Bounds { bytes_max: settings.result_bytes_max, timeout: settings.result_timeout };
    let credentials = if source.needs_credential { credentials(account) } else { HeaderMap::new() };
    let fetch = Fetch { url: &source.url, account_url: &account.base_url, credentials, bounds };
    let mut pending = shared.assets.begin().await.map_err(|error| with_sources(&error))?;
    let downloaded = shared.upstream.download(&fetch, pending.file()).await;
    let downloaded = downloaded.map_err(|error| with_sources(&error))?;
    let media_type = media_type(&downloaded)?;
    let id = pending.finish().await.map_err(|error| with_sources(&error))?;
    let noted = note((shared, task), id, source.kind, (media_type, downloaded.bytes)).await;
    noted.map_err(|error| with_sources(&error))
}

/// What proves to the account's provider that we may read.
fn credentials(account: &Account) -> HeaderMap {
    let provider = translation::provider(&account.provider);
    let call = provider.map(|provider| provider.authorize(Call::get("/"), &account.credential, clock::now()));
    call.map(|call| call.headers).unwrap_or_default()
}

/// Notes a stored result. `said` is what its upstream says it is: a URL does not always tell, the bytes do.
async fn note(
    (shared, task): (&Shared, &Task),
    id: AssetId,
    said: MediaKind,
    (media_type, bytes): (String, u64),
) -> Result<Output, StoreError> {
    let kind = MediaKind::of_media_type(&media_type).unwrap_or(said);
    let record = AssetRecord {
        id: id.clone(),
        owner: task.owner.clone(),
        media_type: media_type.clone(),
        bytes,
        created_at: clock::now(),
        expires_at: Some(clock::now().plus(shared.settings.retention.results)),
    };
    shared.store.put_asset(&record).await?;
    shared.metrics.stored("result", bytes);
    failpoints::pass("result_copied");
    Ok(Output { kind, media: OutputMedia::Stored { asset: id, media_type, bytes } })
}

/// What the bytes show, else what the server says if that is media. A page that says "expired" is not a clip.
fn media_type(downloaded: &Downloaded) -> Result<String, String> {
    if downloaded.bytes == 0 {
        return Err("the result is empty".to_owned());
    }
    if let Some(shown) = media_type_of_bytes(&downloaded.head) {
        return Ok(shown.to_owned());
    }
    let said = &downloaded.content_type;
    let would_show = said != BARE_SAMPLES && extension_of(said) != extension_of("");
    let believed = MediaKind::of_media_type(said).filter(|_kind| !would_show);
    believed.map(|_kind| said.clone()).ok_or_else(|| format!("the result is no \"{said}\""))
}

async fn forget(shared: &Shared, outputs: &[Output]) {
    for output in outputs {
        if let OutputMedia::Stored { asset, .. } = &output.media {
            shared.assets.remove(asset).await;
        }
    }
}
