//! Bodies of calls: in memory but for stored media, which is read from its files while the body is sent.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use domain::{Call, MediaForm};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, SizeHint};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;

/// Bytes of a file that are read at one time; three go into four symbols of base64, so it is a multiple of three.
const CHUNK_BYTES: usize = 48 * 1024;
/// Chunks that are read ahead of the connection.
const CHUNKS_AHEAD: usize = 2;

pub(crate) type CallBody = UnsyncBoxBody<Bytes, io::Error>;

/// A call, with the files that its media is read from.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The call.
    pub call: Call,
    /// One file for each entry of [`Call::media`], in the same order.
    pub files: Vec<MediaFile>,
}

/// A file that goes into a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

impl From<Call> for Outgoing {
    fn from(call: Call) -> Self {
        Self { call, files: Vec::new() }
    }
}

enum Segment {
    Whole(Bytes),
    File { file: File, bytes: u64, form: MediaForm },
}

/// The body of `call`. Its files are opened before anything is sent, so that a missing one costs nothing.
pub(crate) async fn body(call: &Call, files: &[MediaFile]) -> io::Result<CallBody> {
    if call.media.is_empty() {
        return Ok(Full::new(call.body.clone()).map_err(|never| match never {}).boxed_unsync());
    }
    if call.media.len() != files.len() {
        return Err(io::Error::other("the call names other media than it came with"));
    }
    let mut segments = Vec::new();
    let mut length = call.body.len() as u64;
    let mut rest = 0;
    for (slot, file) in call.media.iter().zip(files) {
        let outside = || io::Error::other("media has its place outside of the body");
        if slot.at < rest || slot.at > call.body.len() {
            return Err(outside());
        }
        segments.push(Segment::Whole(call.body.slice(rest..slot.at)));
        rest = slot.at;
        let opened = File::open(&file.path).await?;
        if opened.metadata().await?.len() != file.bytes {
            return Err(io::Error::other("a stored file has another size than noted"));
        }
        length += slot.form.encoded_len(file.bytes);
        segments.push(Segment::File { file: opened, bytes: file.bytes, form: slot.form });
    }
    segments.push(Segment::Whole(call.body.slice(rest..)));
    let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
    // Ends when the body is dropped: nobody takes the next chunk then.
    tokio::spawn(async move {
        if let Err(error) = send(segments, &sender).await {
            let _nobody_listens = sender.send(Err(error)).await;
        }
    });
    Ok(Streamed { chunks, left: length }.boxed_unsync())
}

/// Reads the segments one after the other; ends early when nobody wants them any more.
async fn send(segments: Vec<Segment>, sender: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
    for segment in segments {
        match segment {
            Segment::Whole(bytes) => {
                if sender.send(Ok(bytes)).await.is_err() {
                    return Ok(());
                }
            }
            Segment::File { mut file, bytes, form } => {
                let mut left = bytes;
                while left > 0 {
                    let chunk = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
                    let mut buffer = vec![0; chunk];
                    file.read_exact(&mut buffer).await?;
                    left -= chunk as u64;
                    let encoded = match form {
                        MediaForm::Raw => buffer.into(),
                        MediaForm::Base64 => STANDARD.encode(&buffer).into(),
                    };
                    if sender.send(Ok(encoded)).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }
    Ok(())
}

/// A body of known length that somebody else reads.
struct Streamed {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    left: u64,
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.chunks.poll_recv(cx).map(|chunk| {
            let chunk = chunk?;
            if let Ok(bytes) = &chunk {
                self.left = self.left.saturating_sub(bytes.len() as u64);
            }
            Some(chunk.map(Frame::data))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use domain::{AssetId, MediaSlot};

    use super::*;

    #[tokio::test]
    async fn media_is_put_in_at_its_place_and_the_length_is_known_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let content: Vec<u8> = (0..=255).cycle().take(CHUNK_BYTES + 100).collect();
        std::fs::write(&path, &content).unwrap();
        let file = MediaFile { path, bytes: content.len() as u64 };
        let mut call = Call::post_json("/x", b"{\"a\":\"\",\"b\":}".to_vec());
        let slot = |at, form| MediaSlot { at, asset: AssetId::new("a"), form };
        call.media = vec![slot(6, MediaForm::Base64), slot(12, MediaForm::Raw)];
        let body = body(&call, &[file.clone(), file.clone()]).await.unwrap();
        let length = body.size_hint().exact().unwrap();
        let sent = body.collect().await.unwrap().to_bytes();
        let expected =
            [b"{\"a\":\"", STANDARD.encode(&content).as_bytes(), b"\",\"b\":", &content, b"}"].concat();
        assert_eq!((sent.len() as u64, &sent[..]), (length, &expected[..]));
    }

    #[tokio::test]
    async fn a_file_that_is_not_what_it_was_is_noticed_before_anything_is_sent() {
        let mut call = Call::post_json("/x", b"\"\"".to_vec());
        call.media = vec![MediaSlot { at: 1, asset: AssetId::new("a"), form: MediaForm::Raw }];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        assert!(body(&call, &[MediaFile { path: path.clone(), bytes: 1 }]).await.is_err());
        std::fs::write(&path, b"longer").unwrap();
        assert!(body(&call, &[MediaFile { path, bytes: 1 }]).await.is_err());
        assert!(body(&call, &[]).await.is_err());
    }
}
