//! Brings inputs to the form and the place that a provider can read: the bytes themselves, or its own file store.

use std::time::Duration;

use domain::{Account, AssetId, Call, Failure, GenerationRequest, Media, Role};
use store::AssetRecord;
use translation::{Provider, UploadFile};
use upstream::{MediaFile, Outgoing};

use crate::clock;
use crate::held::Held;

/// How long to wait before an input is tried again that could not be had.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Stands for an asset while it is only asked whether a request can be expressed.
const ANY_ASSET: &str = "00000000000000000000000000000000";

/// Why a request is not ready to be submitted.
pub(crate) enum Unready {
    /// It never will be.
    Never(Failure),
    /// It may be after this.
    Later(Duration),
}

/// The request as it would look, without the work: enough to see whether the provider can express it.
pub(crate) fn outline(
    request: &GenerationRequest,
    provider: &dyn Provider,
    upstream_model: &str,
) -> GenerationRequest {
    let mut outline = request.clone();
    if provider.wants_bytes(upstream_model) {
        for input in &mut outline.inputs {
            if matches!(input.media, Media::Url(_)) {
                let media_type = if input.role == Role::Video { "video/mp4" } else { "image/png" };
                input.media = Media::Asset { id: AssetId::new(ANY_ASSET), media_type: media_type.to_owned() };
            }
        }
    }
    outline
}

/// The request with its inputs where the provider can read them.
pub(crate) async fn localized(
    held: &Held<'_>,
    (account, provider): (&Account, &dyn Provider),
    upstream_model: &str,
) -> Result<GenerationRequest, Unready> {
    let mut request = held.task.request.clone();
    let wants_bytes = provider.wants_bytes(upstream_model);
    for (index, input) in request.inputs.iter_mut().enumerate() {
        match &input.media {
            Media::Url(url) if wants_bytes => input.media = fetched(held, index, input.role, url).await?,
            Media::Asset { id, media_type } if !wants_bytes => {
                if let Some(files_url) = &account.files_url {
                    let file = UploadFile { asset: id, media_type };
                    let url = uploaded(held, (account, provider), files_url, &file).await?;
                    input.media = url.map_or_else(|| input.media.clone(), Media::Url);
                }
            }
            Media::Url(_) | Media::Asset { .. } => {}
        }
    }
    Ok(request)
}

/// What a client's URL serves, as an asset.
async fn fetched(held: &Held<'_>, index: usize, role: Role, url: &str) -> Result<Media, Unready> {
    let field = format!("inputs[{index}]");
    let AssetRecord { id, media_type, bytes, .. } = held
        .shared
        .fetch(&held.task.owner, url)
        .await
        .map_err(|error| later_or(held, error.failure(&field)))?;
    if matches!(role, Role::FirstFrame | Role::LastFrame | Role::Reference | Role::Mask)
        && let Some(model) = held.shared.setup.get().catalogue.get(&held.task.request.model)
    {
        model.images.check_type(&field, &media_type, bytes).map_err(Unready::Never)?;
    }
    Ok(Media::Asset { id, media_type })
}

/// The URL of an asset at the provider's own file store; `None` if its API has none.
async fn uploaded(
    held: &Held<'_>,
    (account, provider): (&Account, &dyn Provider),
    files_url: &str,
    file: &UploadFile<'_>,
) -> Result<Option<String>, Unready> {
    let Some(call) = provider.encode_upload(file) else { return Ok(None) };
    let call = provider.authorize(call, &account.credential, clock::now());
    let outgoing = outgoing(held, call).await.map_err(|failure| later_or(held, failure))?;
    let timeout = held.shared.settings.input_timeout;
    let reply = held.shared.upstream.ask(files_url, outgoing, timeout).await;
    let url = reply.map_err(|error| error.to_string()).and_then(|reply| provider.decode_upload(&reply));
    url.map(Some).map_err(|reason| {
        let text = "an input could not be brought to the provider";
        later_or(held, Failure::new(domain::FailureKind::NoRoute, text).with_internal(reason))
    })
}

/// The call with the files of the media in it.
pub(crate) async fn outgoing(held: &Held<'_>, call: Call) -> Result<Outgoing, Failure> {
    let mut files = Vec::with_capacity(call.media.len());
    for slot in &call.media {
        let record = held.shared.store.asset(&slot.asset).await;
        let record = record.map_err(|error| crate::shared::store_failure(&error))?;
        let file = record.zip(held.shared.assets.path(&slot.asset));
        let (record, path) =
            file.ok_or_else(|| Failure::internal("a call names media that is not stored"))?;
        files.push(MediaFile { path, bytes: record.bytes });
    }
    Ok(Outgoing { call, files })
}

/// What follows when all inputs together take too long.
pub(crate) fn too_slow(held: &Held<'_>) -> Unready {
    later_or(held, Failure::invalid("inputs", "inputs: they could not be had in time"))
}

/// The failure, once it has been tried for long enough.
fn later_or(held: &Held<'_>, failure: Failure) -> Unready {
    let spent = clock::now().since(held.task.created_at);
    if spent < held.shared.settings.input_hold {
        Unready::Later(RETRY_AFTER)
    } else {
        Unready::Never(failure)
    }
}

#[cfg(test)]
mod tests {
    use domain::{Input, Scope};

    use super::*;

    #[test]
    fn an_outline_names_no_url_where_bytes_are_wanted() {
        let mut request = GenerationRequest::new(Scope::Videos, "m", "a cat");
        let media = Media::Url("https://example.com/a.png".into());
        request.inputs = vec![Input { role: Role::FirstFrame, media }];
        for provider in translation::PROVIDERS {
            let outline = outline(&request, *provider, "m");
            assert_eq!(outline == request, !provider.wants_bytes("m"), "{}", provider.name());
        }
    }
}
