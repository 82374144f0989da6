//! Media bytes that we keep, as files of a local directory. A file is complete or absent: it is written under another
//! name, synced, and renamed.

use std::io;
use std::path::{Path, PathBuf};

use domain::{AssetId, Failure, FailureKind};
use tokio::fs;
use tokio::io::AsyncWriteExt as _;

/// The directory of assets, two levels deep so that no directory grows too large.
#[derive(Debug, Clone)]
pub struct AssetStorage {
    root: PathBuf,
}

/// An asset that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetFile {
    /// Where it is.
    pub path: PathBuf,
    /// For instance `video/mp4`.
    pub media_type: String,
    /// Its size.
    pub bytes: u64,
}

/// A file that becomes an asset when it is finished, and vanishes if it is not.
pub(crate) struct PendingAsset {
    id: AssetId,
    temporary: PathBuf,
    path: PathBuf,
    file: fs::File,
    finished: bool,
}

impl AssetStorage {
    /// Storage below `root`, which is made when first needed.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// A new asset of 128 random bits, to be written.
    pub(crate) async fn begin(&self) -> io::Result<PendingAsset> {
        let id = AssetId::new(random_hex()?);
        let path = self.path(&id).ok_or_else(|| io::Error::other("a new asset id is well-formed"))?;
        let parent = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(parent).await?;
        let temporary = path.with_extension("part");
        let file = fs::File::create_new(&temporary).await?;
        Ok(PendingAsset { id, temporary, path, file, finished: false })
    }

    /// Removes the bytes of an asset; it is no error if there are none.
    pub(crate) async fn remove(&self, id: &AssetId) {
        if let Some(path) = self.path(id) {
            let _absent_is_fine = fs::remove_file(path).await;
        }
    }

    /// Removes the bytes of an asset, if there are any; how many there were.
    pub(crate) async fn erase(&self, id: &AssetId) -> io::Result<u64> {
        let Some(path) = self.path(id) else { return Ok(0) };
        let bytes = fs::metadata(&path).await.map(|metadata| metadata.len()).unwrap_or(0);
        match fs::remove_file(path).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _gone => Ok(bytes),
        }
    }

    /// The directory of all of them.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the bytes of `id` are. `None` for text that is no asset id, so that no path can leave the root.
    pub(crate) fn path(&self, id: &AssetId) -> Option<PathBuf> {
        let text = id.as_str();
        let well_formed =
            text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        well_formed.then(|| self.root.join(&text[..2]).join(&text[2..4]).join(text))
    }
}

impl PendingAsset {
    pub(crate) fn file(&mut self) -> &mut fs::File {
        &mut self.file
    }

    /// Makes the bytes durable under their final name.
    pub(crate) async fn finish(mut self) -> io::Result<AssetId> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        fs::rename(&self.temporary, &self.path).await?;
        self.finished = true;
        sync_directory(self.path.parent()).await?;
        Ok(self.id.clone())
    }
}

impl Drop for PendingAsset {
    fn drop(&mut self) {
        if !self.finished {
            let _absent_is_fine = std::fs::remove_file(&self.temporary);
        }
    }
}

/// A rename is durable only when its directory is synced.
async fn sync_directory(directory: Option<&Path>) -> io::Result<()> {
    match directory {
        Some(directory) => fs::File::open(directory).await?.sync_all().await,
        None => Ok(()),
    }
}

fn random_hex() -> io::Result<String> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

pub(crate) fn storage_failure(error: &io::Error) -> Failure {
    Failure::new(FailureKind::Overloaded, "the gateway cannot store media right now")
        .with_internal(format!("asset storage: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_unfinished_asset_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let storage = AssetStorage::new(dir.path());
        let mut pending = storage.begin().await.unwrap();
        pending.file().write_all(b"half").await.unwrap();
        let (id, temporary) = (pending.id.clone(), pending.temporary.clone());
        drop(pending);
        assert!(!temporary.exists());
        assert!(!storage.path(&id).unwrap().exists());
    }

    #[tokio::test]
    async fn a_finished_asset_is_there_whole() {
        let dir = tempfile::tempdir().unwrap();
        let storage = AssetStorage::new(dir.path());
        let mut pending = storage.begin().await.unwrap();
        pending.file().write_all(b"whole").await.unwrap();
        let id = pending.finish().await.unwrap();
        assert_eq!(std::fs::read(storage.path(&id).unwrap()).unwrap(), b"whole");
        storage.remove(&id).await;
        assert!(!storage.path(&id).unwrap().exists());
    }

    #[test]
    fn no_id_leads_out_of_the_root() {
        let storage = AssetStorage::new("/srv/assets");
        for id in ["", "../../etc/passwd", "ABCDEF00ABCDEF00ABCDEF00ABCDEF00", "ab"] {
            assert_eq!(storage.path(&AssetId::new(id)), None, "{id}");
        }
    }
}
