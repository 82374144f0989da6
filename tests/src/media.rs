//! Looks into media files with ffprobe.

use std::io::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::tool;

/// A PNG of one pixel, as base64 without any prefix.
pub const PIXEL_BASE64: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// What ffprobe says of the first stream of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// For instance `h264`.
    pub codec: String,
    /// Frames (or packets of sound) that could be decoded.
    pub frames: u64,
    /// In pixels; 0 for sound.
    pub width: u64,
}

/// The bytes of [`PIXEL_BASE64`].
pub fn pixel() -> Vec<u8> {
    STANDARD.decode(PIXEL_BASE64).expect("the pixel is base64")
}

/// Decodes all of the file `bytes`.
///
/// # Panics
/// If ffprobe is not installed, or finds anything wrong.
pub fn probe(bytes: &[u8]) -> Probe {
    let mut file = tempfile::NamedTempFile::new().expect("a file to probe");
    file.write_all(bytes).expect("a file that can be written");
    probe_file(file.path())
}

/// Decodes all of the file at `path`.
///
/// # Panics
/// As [`probe`].
pub fn probe_file(path: &Path) -> Probe {
    let path = path.to_str().expect("paths of tests are text");
    let arguments = ["-v", "error", "-count_frames", "-show_streams", "-of", "json", path];
    let said: Value =
        serde_json::from_str(&tool::run("ffprobe", &arguments)).expect("ffprobe was asked for JSON");
    let stream = &said["streams"][0];
    // ffprobe writes this number as text.
    let frames = stream["nb_read_frames"].as_str().and_then(|frames| frames.parse().ok());
    Probe {
        codec: stream["codec_name"].as_str().unwrap_or_default().to_owned(),
        frames: frames.unwrap_or(0),
        width: stream["width"].as_u64().unwrap_or(0),
    }
}
