//! Results: real media, rendered when they are asked for and kept as files. What a file shows is a function of the
//! prompt, the kind and the frame alone, so equal orders share a file, and a lost file comes back the same.

mod audio;
mod image;
mod picture;
mod video;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::task::{Kind, Order};

/// Renderings at one time; more wait.
const RENDERINGS_MAX: usize = 2;
/// Files kept; the oldest make room.
const FILES_MAX: usize = 1000;

/// Why media cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MediaError {
    #[error("encoding video")]
    Encode(#[from] openh264::Error),
    #[error("writing MP4")]
    Mux(#[from] muxide::api::MuxerError),
    #[error("writing PNG")]
    Png(#[from] png::EncodingError),
    #[error("writing WAV")]
    Wav(#[from] hound::Error),
    #[error("keeping media")]
    Io(#[from] io::Error),
    #[error("the rendering was given up")]
    GivenUp,
}

/// What a file shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Motif {
    kind: Kind,
    /// Of the prompt; every look and sound is read from its bytes.
    dials: [u8; 32],
    width: usize,
    height: usize,
}

impl Motif {
    /// What an order asks for: the `nth` of its results, from 0, each another one.
    pub(crate) fn of(order: &Order, nth: u32) -> Self {
        let (width, height) = match order.kind {
            Kind::Video => video::frame(order.aspect_ratio.as_deref(), order.size.as_deref()),
            Kind::Image => image::frame(order.aspect_ratio.as_deref(), order.size.as_deref()),
            Kind::Audio => (0, 0),
        };
        let mut digest = Sha256::new_with_prefix(order.prompt.as_bytes());
        if nth > 0 {
            digest.update(nth.to_be_bytes());
        }
        Self { kind: order.kind, dials: digest.finalize().into(), width, height }
    }

    fn file_name(&self) -> String {
        let mut name = String::with_capacity(64);
        for byte in &self.dials[..16] {
            name.push_str(&format!("{byte:02x}"));
        }
        format!("{name}-{}x{}.{}", self.width, self.height, self.kind.extension())
    }

    fn render(&self) -> Result<Vec<u8>, MediaError> {
        match self.kind {
            Kind::Video => video::render(&self.dials, self.width, self.height),
            Kind::Image => image::render(&self.dials, self.width, self.height),
            Kind::Audio => audio::render(&self.dials),
        }
    }
}

/// Renders and keeps.
pub(crate) struct Studio {
    folder: PathBuf,
    places: Arc<Semaphore>,
}

impl Studio {
    /// Keeps files in `folder`. Blocks.
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self { folder, places: Arc::new(Semaphore::new(RENDERINGS_MAX)) })
    }

    /// The bytes of the file that shows `motif`.
    pub(crate) async fn open_file(&self, motif: Motif) -> Result<Bytes, MediaError> {
        let path = self.folder.join(motif.file_name());
        match tokio::fs::read(&path).await {
            Ok(bytes) => return Ok(bytes.into()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Err(_) => {}
        }
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| MediaError::GivenUp)?;
        let folder = self.folder.clone();
        let work = move || {
            let _place = place;
            let bytes = motif.render()?;
            keep(&folder, &path, &bytes)?;
            Ok(Bytes::from(bytes))
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| MediaError::GivenUp)?
    }
}

/// Puts the file in its place whole or not at all, and makes room.
fn keep(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension(format!("{:016x}.draft", fastrand::u64(..)));
    let mut file = fs::File::create(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    make_room(folder)
}

fn make_room(folder: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        // A file that another rendering has just removed counts as the oldest.
        let age = file.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        files.push((age, file.path()));
    }
    files.sort();
    for (_, path) in files.iter().take(files.len().saturating_sub(FILES_MAX)) {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Reads `16:9` or `1024x768`: two numbers above nought.
fn pair(text: Option<&str>, between: char) -> Option<(usize, usize)> {
    let (first, second) = text?.split_once(between)?;
    let read = |number: &str| number.trim().parse::<u16>().ok().filter(|number| *number > 0).map(usize::from);
    Some((read(first)?, read(second)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(kind: Kind, prompt: &str) -> Order {
        Order {
            kind,
            model: "m".into(),
            prompt: prompt.into(),
            aspect_ratio: None,
            size: Some("64x48".into()),
        }
    }

    #[test]
    fn the_same_order_shows_the_same_and_another_prompt_another() {
        for kind in [Kind::Video, Kind::Image, Kind::Audio] {
            let render = |prompt| Motif::of(&order(kind, prompt), 0).render().unwrap();
            assert_eq!(render("a cat"), render("a cat"), "{kind:?}");
            assert_ne!(render("a cat"), render("a dog"), "{kind:?}");
            let second = Motif::of(&order(kind, "a cat"), 1).render().unwrap();
            assert_ne!(render("a cat"), second, "{kind:?}");
        }
    }

    #[tokio::test]
    async fn a_file_is_rendered_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let studio = Studio::open(folder.path().join("media")).unwrap();
        let motif = Motif::of(&order(Kind::Image, "a cat"), 0);
        let rendered = studio.open_file(motif.clone()).await.unwrap();
        let kept = folder.path().join("media").join(motif.file_name());
        assert_eq!(fs::read(&kept).unwrap(), rendered);
        fs::write(&kept, b"kept").unwrap();
        assert_eq!(studio.open_file(motif).await.unwrap(), "kept");
    }

    #[test]
    fn the_oldest_files_make_room() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..FILES_MAX + 2 {
            let file = fs::File::create(folder.path().join(number.to_string())).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(number as u64))
                .unwrap();
        }
        make_room(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), FILES_MAX);
        assert!(!folder.path().join("1").exists() && folder.path().join("2").exists());
    }

    #[test]
    fn frames_are_read_from_text() {
        assert_eq!(pair(Some("16:9"), ':'), Some((16, 9)));
        assert_eq!(pair(Some("1024x768"), 'x'), Some((1024, 768)));
        for text in ["Auto", "16:0", "1K", "x", "-1x5", "1x2x3", "99999x1"] {
            assert_eq!(pair(Some(text), 'x'), None, "{text}");
        }
    }
}
