//! Custody of results: they are copied before a client hears of them, because upstream URLs expire.

use std::time::Duration;

use domain::{
    MediaKind, Output, OutputMedia, Source, TaskEvent, TaskState, extension_of, media_type_of_bytes,
    with_sources,
};
use store::AssetRecord;
use upstream::{Bounds, Downloaded};

use crate::clock;
use crate::held::{Held, StepError};

/// The first wait after a failed copy and its bound; in between it grows with the time already spent.
const RETRY_AFTER: Duration = Duration::from_secs(1);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
const LEASE_MARGIN: Duration = Duration::from_secs(15);

/// How long copying all results may take.
pub(crate) fn lease(held: &Held<'_>) -> Duration {
    let results = u32::try_from(sources(held).len()).unwrap_or(u32::MAX);
    held.shared.settings.result_timeout.saturating_mul(results.max(1)) + LEASE_MARGIN
}

/// Copies all results, then ends the task; or tries again later.
pub(crate) async fn step(mut held: Held<'_>) -> Result<(), StepError> {
    let mut outputs = Vec::new();
    for source in sources(&held) {
        match copy(&held, &source).await {
            Ok(output) => outputs.push(output),
            Err(reason) => {
                tracing::warn!(task = %held.task.id, reason, "a result could not be copied");
                forget(&held, &outputs).await;
                return retry_later(held).await;
            }
        }
    }
    held.apply(TaskEvent::Collected { outputs })?;
    held.done(Duration::ZERO).await
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

/// Ends the task with the upstream's own URLs: they will expire, but the client has paid for what they show.
pub(crate) async fn give_up(mut held: Held<'_>) -> Result<(), StepError> {
    tracing::error!(task = %held.task.id, "results could not be copied; the client gets the upstream's own URLs");
    let remote =
        |source: Source| Output { kind: source.kind, media: OutputMedia::Remote { url: source.url } };
    let outputs = sources(&held).into_iter().map(remote).collect();
    held.apply(TaskEvent::Collected { outputs })?;
    held.done(Duration::ZERO).await
}

fn sources(held: &Held<'_>) -> Vec<Source> {
    match &held.task.state {
        TaskState::Collecting { sources, .. } => sources.clone(),
        _ => Vec::new(),
    }
}

async fn copy(held: &Held<'_>, source: &Source) -> Result<Output, String> {
    let account = held.task.attempt().and_then(|attempt| held.shared.accounts.get(&attempt.plan.account));
    let account = account.ok_or("its account is not configured any more")?;
    let result = try_copy(held, &account.base_url, source).await;
    held.shared.metrics.copied(account.name.as_str(), if result.is_ok() { "copied" } else { "failed" });
    result
}

async fn try_copy(held: &Held<'_>, account_url: &str, source: &Source) -> Result<Output, String> {
    let settings = &held.shared.settings;
    let bounds = Bounds { bytes_max: settings.result_bytes_max, timeout: settings.result_timeout };
    let mut pending = held.shared.assets.begin().await.map_err(|error| with_sources(&error))?;
    let upstream = &held.shared.upstream;
    let downloaded = upstream
        .download(account_url, &source.url, bounds, pending.file())
        .await
        .map_err(|error| with_sources(&error))?;
    let media_type = media_type(&downloaded)?;
    // An upstream's URL does not always tell what it serves; the bytes do.
    let kind = MediaKind::of_media_type(&media_type).unwrap_or(source.kind);
    let id = pending.finish().await.map_err(|error| with_sources(&error))?;
    let record = AssetRecord {
        id: id.clone(),
        owner: held.task.owner.clone(),
        media_type: media_type.clone(),
        bytes: downloaded.bytes,
        created_at: clock::now(),
    };
    held.shared.store.put_asset(&record).await.map_err(|error| with_sources(&error))?;
    Ok(Output { kind, media: OutputMedia::Stored { asset: id, media_type, bytes: downloaded.bytes } })
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
    let would_show = extension_of(said) != extension_of("");
    let believed = MediaKind::of_media_type(said).filter(|_kind| !would_show);
    believed.map(|_kind| said.clone()).ok_or_else(|| format!("the result is no \"{said}\""))
}

async fn forget(held: &Held<'_>, outputs: &[Output]) {
    for output in outputs {
        if let OutputMedia::Stored { asset, .. } = &output.media {
            held.shared.assets.remove(asset).await;
        }
    }
}
