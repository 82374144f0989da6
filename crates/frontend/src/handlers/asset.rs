//! Stored media, for whoever knows its name: names cannot be guessed.

use std::io;

use domain::{AssetId, Failure, FailureKind, OutputMedia, Task, TaskState, extension_of};
use http::{HeaderValue, Request, StatusCode, header};
use tasks::{AssetFile, TaskService};
use tower_http::services::ServeFile;

use crate::body::{Answer, ReplyBody};
use crate::layers::whole_body::WholeBody;

/// Bytes under one name never change. Only the client itself may keep them: the name is a secret.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

/// Answers GET and HEAD of a file's own path, whole or in part, and conditional requests.
pub(super) async fn answer(tasks: &TaskService, file: &str, asked: Request<()>) -> Result<Answer, Failure> {
    let absent = || Failure::new(FailureKind::NotFound, "no such file");
    let (id, extension) = file.rsplit_once('.').ok_or_else(absent)?;
    let asset = tasks.open_asset(&AssetId::new(id)).await?;
    // One name for one thing: under another extension a cache or a browser could take it for something else.
    if extension != extension_of(&asset.media_type) {
        return Err(absent());
    }
    serve(asset, asked).await
}

/// The same for the result of a task at a path of a dialect's own.
pub(super) async fn content(
    tasks: &TaskService,
    task: &Task,
    index: usize,
    asked: Request<()>,
) -> Result<Answer, Failure> {
    let absent = |text: &str| Failure::new(FailureKind::NotFound, text);
    let TaskState::Succeeded { outputs, .. } = &task.state else {
        return Err(absent("the task has no result yet"));
    };
    match &outputs.get(index).ok_or_else(|| absent("the task has no such result"))?.media {
        OutputMedia::Stored { asset, .. } => serve(tasks.open_asset(asset).await?, asked).await,
        OutputMedia::Remote { url } => {
            let url = HeaderValue::from_str(url).map_err(|_| absent("the result cannot be reached"))?;
            let mut answer = Answer::new(ReplyBody::default());
            *answer.status_mut() = StatusCode::FOUND;
            answer.headers_mut().insert(header::LOCATION, url);
            Ok(answer)
        }
    }
}

async fn serve(asset: AssetFile, asked: Request<()>) -> Result<Answer, Failure> {
    let opened = ServeFile::new(&asset.path).try_call(asked).await;
    let mut answer = opened.map_err(|error| cannot_read(&asset, &error))?.map(ReplyBody::streamed);
    let is_content = matches!(answer.status(), StatusCode::OK | StatusCode::PARTIAL_CONTENT);
    let headers = answer.headers_mut();
    if is_content && let Ok(media_type) = HeaderValue::from_str(&asset.media_type) {
        headers.insert(header::CONTENT_TYPE, media_type);
    }
    headers.insert(header::CACHE_CONTROL, CACHE_CONTROL);
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("inline"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(answer)
}

/// Bytes that were deleted beside the store are gone; anything else is our fault.
fn cannot_read(asset: &AssetFile, error: &io::Error) -> Failure {
    let internal = format!("reading {}: {error}", asset.path.display());
    match error.kind() {
        io::ErrorKind::NotFound => {
            Failure::new(FailureKind::NotFound, "no such file").with_internal(internal)
        }
        _ => Failure::internal(internal),
    }
}

/// What the reader of a file looks at.
pub(super) fn without_body(request: &Request<WholeBody>) -> Request<()> {
    let mut bare = Request::new(());
    bare.method_mut().clone_from(request.method());
    bare.headers_mut().clone_from(request.headers());
    bare
}
