//! Media that comes in: with a request, ahead of it, or from where a client says it is.

use domain::{
    AssetId, Client, DraftMedia, DraftUpload, Failure, FailureKind, Media, MediaKind, OwnerId,
    media_type_of_bytes, with_sources,
};
use http::HeaderMap;
use store::AssetRecord;
use tokio::io::AsyncWriteExt as _;
use upstream::{Bounds, DownloadError, Fetch};

use crate::assets::storage_failure;
use crate::shared::{Shared, store_failure};
use crate::{TaskService, clock};

/// Where assets stand in our own URLs, after the base URL.
const ASSETS: &str = "/assets/";

impl TaskService {
    /// Keeps a file for a later request, until the settings' `input_lifetime` has passed.
    pub async fn upload(&self, client: &Client, upload: DraftUpload) -> Result<AssetRecord, Failure> {
        match upload.media {
            DraftMedia::Inline(bytes) => self.shared.keep(&client.owner, &upload.field, &bytes).await,
            DraftMedia::Url(url) => {
                let fetched = self.shared.fetch(&client.owner, &url).await;
                fetched.map_err(|error| error.failure(&upload.field))
            }
        }
    }

    /// An input of a request as the task keeps it. A URL of our own is the asset that it shows.
    pub(crate) async fn keep_input(
        &self,
        client: &Client,
        field: &str,
        media: DraftMedia,
    ) -> Result<Media, Failure> {
        match media {
            DraftMedia::Inline(bytes) => {
                let AssetRecord { id, media_type, .. } =
                    self.shared.keep(&client.owner, field, &bytes).await?;
                Ok(Media::Asset { id, media_type })
            }
            DraftMedia::Url(url) => {
                let Some(id) = own_asset(&url) else { return Ok(Media::Url(url)) };
                match self.open_asset(&id).await {
                    Ok(file) => Ok(Media::Asset { id, media_type: file.media_type }),
                    Err(failure) if failure.kind != FailureKind::NotFound => Err(failure),
                    Err(_) if url.starts_with(&self.shared.settings.base_url) => {
                        Err(Failure::invalid(field, format!("{field}: no such file, or it has expired")))
                    }
                    // Another gateway has such paths, too.
                    Err(_) => Ok(Media::Url(url)),
                }
            }
        }
    }
}

/// Why a file could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// It cannot be had, or is not what it should be.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// Its bytes are no media.
    #[error("what is there is neither an image, a video nor sound")]
    NotMedia,
    /// We cannot store it right now.
    #[error("the file cannot be stored")]
    Storage(#[source] std::io::Error),
    /// The store does not take the note of it.
    #[error("the file cannot be noted")]
    Store(#[from] store::StoreError),
}

impl FetchError {
    /// What the client learns: nothing of who answered what.
    pub(crate) fn failure(&self, field: &str) -> Failure {
        match self {
            Self::Storage(error) => storage_failure(error),
            Self::Store(error) => store_failure(error),
            Self::NotMedia => Failure::invalid(field, format!("{field}: {self}")),
            Self::Download(DownloadError::TooLarge(max)) => {
                Failure::invalid(field, format!("{field}: a file may have at most {max} bytes"))
            }
            Self::Download(error) => Failure::invalid(field, format!("{field}: the URL cannot be fetched"))
                .with_internal(with_sources(error)),
        }
    }
}

impl Shared {
    /// Stores bytes that came with a request; they tell their type.
    pub(crate) async fn keep(
        &self,
        owner: &OwnerId,
        field: &str,
        bytes: &[u8],
    ) -> Result<AssetRecord, Failure> {
        let Some(media_type) = media_type_of_bytes(bytes) else {
            let text = format!("{field}: neither a URL nor an image, video or sound that can be read");
            return Err(Failure::invalid(field, text));
        };
        let store = async {
            let mut pending = self.assets.begin().await?;
            pending.file().write_all(bytes).await?;
            pending.finish().await
        };
        let id = store.await.map_err(|error| storage_failure(&error))?;
        let record = self.input_record(id, owner, media_type, bytes.len() as u64);
        self.store.put_asset(&record).await.map_err(|error| store_failure(&error))?;
        self.metrics.stored("input", record.bytes);
        failpoints::pass("inputs_stored");
        Ok(record)
    }

    /// Stores what `url` serves, which a client chose: only public hosts and what the operator allows besides.
    pub(crate) async fn fetch(&self, owner: &OwnerId, url: &str) -> Result<AssetRecord, FetchError> {
        let bounds =
            Bounds { bytes_max: self.settings.input_bytes_max, timeout: self.settings.input_timeout };
        let fetch = Fetch { url, account_url: "", credentials: HeaderMap::new(), bounds };
        let mut pending = self.assets.begin().await.map_err(FetchError::Storage)?;
        let downloaded = self.upstream.download(&fetch, pending.file()).await?;
        let shown = media_type_of_bytes(&downloaded.head);
        let media_type = shown.filter(|shown| MediaKind::of_media_type(shown).is_some());
        let media_type = media_type.ok_or(FetchError::NotMedia)?;
        let id = pending.finish().await.map_err(FetchError::Storage)?;
        let record = self.input_record(id, owner, media_type, downloaded.bytes);
        self.store.put_asset(&record).await?;
        self.metrics.stored("input", record.bytes);
        Ok(record)
    }

    fn input_record(&self, id: AssetId, owner: &OwnerId, media_type: &str, bytes: u64) -> AssetRecord {
        AssetRecord {
            id,
            owner: owner.clone(),
            media_type: media_type.to_owned(),
            bytes,
            created_at: clock::now(),
            expires_at: Some(clock::now().plus(self.settings.input_lifetime)),
        }
    }
}

/// The asset that a URL shows if it is one of ours. By its path alone: a gateway has several names, and the names of
/// assets cannot be guessed.
fn own_asset(url: &str) -> Option<AssetId> {
    let (_scheme, rest) = url.split_once("://")?;
    let (_host, path) = rest.split_at_checked(rest.find('/')?)?;
    let (id, _extension) = path.strip_prefix(ASSETS)?.split_once('.')?;
    Some(AssetId::new(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_ours_names_its_asset() {
        let own = |url| own_asset(url).map(|id| id.to_string());
        assert_eq!(own("https://gateway.example/assets/00ff.png").as_deref(), Some("00ff"));
        for other in ["https://example.com/x/assets/00ff.png", "https://gateway.example/v2/x.png", ""] {
            assert_eq!(own(other), None, "{other}");
        }
    }
}
