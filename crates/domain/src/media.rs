//! Media that comes out of a task, and how media types are told.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{AssetId, Scope};

/// What a client will do with the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// A still picture.
    Image,
    /// Moving pictures, with or without sound.
    Video,
    /// Sound.
    Audio,
}

impl MediaKind {
    /// The kind of a media type such as `video/mp4`, lower case.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        match media_type.split('/').next() {
            Some("image") => Some(Self::Image),
            Some("video") => Some(Self::Video),
            Some("audio") => Some(Self::Audio),
            _ => None,
        }
    }
}

impl From<Scope> for MediaKind {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Images => Self::Image,
            Scope::Videos => Self::Video,
            Scope::Audio => Self::Audio,
        }
    }
}

/// A result where the upstream keeps it. Such URLs expire, so it is copied before a client hears of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// What it is.
    pub kind: MediaKind,
    /// Where the upstream serves it.
    pub url: String,
    /// Whether it is served only to who proves to have the account. Such a URL is never given to a client.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_credential: bool,
}

impl Source {
    /// A result that anybody can read who knows its URL.
    pub fn open(kind: MediaKind, url: impl Into<String>) -> Self {
        Self { kind, url: url.into(), needs_credential: false }
    }
}

/// A result that an upstream put into its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// What the upstream says it is.
    pub kind: MediaKind,
    /// What the upstream says the format is, for instance `audio/pcm`; empty if it says nothing. The bytes win.
    pub media_type: String,
    /// The bytes themselves.
    pub bytes: Bytes,
}

/// A result as the client gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// What it is.
    pub kind: MediaKind,
    /// Where its bytes are.
    pub media: OutputMedia,
}

/// Where the bytes of a result are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputMedia {
    /// In our asset storage.
    Stored {
        /// The asset.
        asset: AssetId,
        /// For instance `video/mp4`.
        media_type: String,
        /// Its size.
        bytes: u64,
    },
    /// Still at the upstream: copying failed until the deadline, and an expiring URL is better than none.
    Remote {
        /// The upstream's own URL.
        url: String,
    },
}

impl Output {
    /// The URL that a client is given, on a gateway reached at `base_url` (no trailing slash).
    pub fn url(&self, base_url: &str) -> String {
        match &self.media {
            OutputMedia::Stored { asset, media_type, .. } => asset.url(base_url, media_type),
            OutputMedia::Remote { url } => url.clone(),
        }
    }
}

impl AssetId {
    /// The URL of the asset on a gateway reached at `base_url` (no trailing slash).
    pub fn url(&self, base_url: &str, media_type: &str) -> String {
        format!("{base_url}/assets/{self}.{}", extension_of(media_type))
    }
}

/// Media types that we name files after, with their usual extensions.
const EXTENSIONS: &[(&str, &str)] = &[
    ("video/mp4", "mp4"),
    ("video/webm", "webm"),
    ("video/quicktime", "mov"),
    ("image/png", "png"),
    ("image/jpeg", "jpg"),
    ("image/webp", "webp"),
    ("image/gif", "gif"),
    ("audio/wav", "wav"),
    ("audio/mpeg", "mp3"),
    ("audio/ogg", "ogg"),
    ("audio/flac", "flac"),
    ("audio/aac", "aac"),
    ("audio/pcm", "pcm"),
];

/// The file extension for a media type, without the dot; `bin` if we do not know it.
pub fn extension_of(media_type: &str) -> &'static str {
    EXTENSIONS.iter().find(|(known, _)| *known == media_type).map_or("bin", |(_, extension)| extension)
}

/// The media type for a file extension without the dot, in any case.
pub fn media_type_of_extension(extension: &str) -> Option<&'static str> {
    EXTENSIONS
        .iter()
        .find(|(_, known)| known.eq_ignore_ascii_case(extension))
        .map(|(media_type, _)| *media_type)
}

/// The media type that the first bytes show, whatever a sender claims. 16 bytes are enough.
pub fn media_type_of_bytes(head: &[u8]) -> Option<&'static str> {
    match head {
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Some("audio/wav"),
        [_, _, _, _, b'f', b't', b'y', b'p', b'q', b't', b' ', b' ', ..] => Some("video/quicktime"),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some("video/mp4"),
        [0x1a, 0x45, 0xdf, 0xa3, ..] => Some("video/webm"),
        [b'O', b'g', b'g', b'S', ..] => Some("audio/ogg"),
        [b'f', b'L', b'a', b'C', ..] => Some("audio/flac"),
        [0xff, 0xf1 | 0xf9, ..] => Some("audio/aac"),
        [b'I', b'D', b'3', ..] | [0xff, 0xe2..=0xff, ..] => Some("audio/mpeg"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_tells_the_type() {
        assert_eq!(media_type_of_bytes(b"\x89PNG\r\n\x1a\n...."), Some("image/png"));
        assert_eq!(media_type_of_bytes(b"\xff\xd8\xff\xe0"), Some("image/jpeg"));
        assert_eq!(media_type_of_bytes(b"\0\0\0\x18ftypisom"), Some("video/mp4"));
        assert_eq!(media_type_of_bytes(b"RIFF\0\0\0\0WAVE"), Some("audio/wav"));
        assert_eq!(media_type_of_bytes(b"<html>"), None);
        assert_eq!(media_type_of_bytes(b""), None);
    }

    #[test]
    fn an_asset_url_ends_in_a_fitting_extension() {
        assert_eq!(AssetId::new("ab").url("http://h", "video/mp4"), "http://h/assets/ab.mp4");
        assert_eq!(AssetId::new("ab").url("http://h", "x/y"), "http://h/assets/ab.bin");
    }
}
