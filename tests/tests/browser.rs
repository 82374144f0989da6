//! A page of another origin makes a clip and plays it, in Chromium.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Gateway, Options, Process, tool, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const BROWSER: &str = "chromium";

/// The page: makes a clip, polls, plays it without sound, and says how far it came.
const PAGE: &str = r#"<!doctype html><title>A client</title><video id="clip" muted playsinline></video><script>
const pause = (ms) => new Promise((resume) => setTimeout(resume, ms));
const say = (report) => fetch('/report', { method: 'POST', body: JSON.stringify(report) });
async function call(path, options = {}) {
  const headers = { 'Authorization': 'Bearer KEY', 'Content-Type': 'application/json' };
  const reply = await fetch('URL' + path, { ...options, headers });
  if (!reply.ok) throw new Error(path + ': ' + reply.status);
  return reply.json();
}
async function main() {
  const wanted = JSON.stringify({ prompt: 'a clip for a page', model: 'veo3' });
  const { task_id } = await call('/v2/videos/generations', { method: 'POST', body: wanted });
  let task = {};
  while (!['SUCCESS', 'FAILURE'].includes(task.status)) {
    await pause(200);
    task = await call('/v2/videos/generations/' + task_id);
  }
  const bytes = await (await fetch(task.data.output)).arrayBuffer();
  const clip = document.getElementById('clip');
  const ended = new Promise((resolve, reject) => {
    clip.onended = resolve;
    clip.onerror = () => reject(new Error('the clip: ' + clip.error.code + ' ' + clip.error.message));
  });
  clip.src = task.data.output;
  await clip.play();
  await ended;
  return {
    status: task.status, bytes: bytes.byteLength, readyState: clip.readyState, seconds: clip.currentTime,
    width: clip.videoWidth, height: clip.videoHeight, frames: clip.getVideoPlaybackQuality().totalVideoFrames,
  };
}
main().then(say, (error) => say({ error: String(error) }));
</script>"#;

/// Reads one request; its first line and its body.
async fn request(stream: &mut TcpStream) -> (String, String) {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                return (head.lines().next().unwrap_or_default().to_owned(), body.to_owned());
            }
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return (String::new(), String::new());
        }
    }
}

async fn answer(stream: &mut TcpStream, body: &str) {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\n", body.len());
    let whole = format!("{head}connection: close\r\n\r\n{body}");
    // A browser may have gone on to something else.
    let _gone = stream.write_all(whole.as_bytes()).await;
}

/// Serves `page` to everybody until one of them reports.
async fn report(listener: TcpListener, page: String) -> Value {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (line, body) = request(&mut stream).await;
        answer(&mut stream, if line.starts_with("GET / ") { &page } else { "" }).await;
        if line.starts_with("POST /report ") {
            return serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
        }
    }
}

/// Opens `url` in a browser without a window and with a profile of its own.
fn browse(url: &str, profile: &TempDir) -> Process {
    let found = Command::new(BROWSER).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if let Err(error) = found {
        panic!("{}", tool::absent(BROWSER, &error));
    }
    let mut command = Command::new(BROWSER);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
    ]);
    command.args(["--disable-quic", "--disable-background-networking", "--disable-component-update"]);
    command.args(["--disable-sync", "--mute-audio", "--autoplay-policy=no-user-gesture-required"]);
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    // Without it, it leaves after the page is loaded.
    command.args(["--remote-debugging-port=0", url]);
    Process::start(BROWSER, &mut command)
}

#[tokio::test]
async fn a_page_of_another_origin_makes_a_clip_and_plays_it_to_its_end() {
    let gateway = Gateway::start(Options::embedded()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let page = PAGE.replace("URL", gateway.url()).replace("KEY", gateway.key());
    let profile = tempfile::tempdir().unwrap();
    let mut browser = browse(&url, &profile);

    let report = within("the page's report", report(listener, page)).await;
    // In order, so that nothing writes into the profile any more when it is removed.
    browser.terminate();
    browser.exit().await;
    assert_eq!(report["error"], Value::Null, "{report}");
    assert_eq!(
        (&report["status"], &report["width"], &report["height"]),
        (&json!("SUCCESS"), &json!(480), &json!(272))
    );
    assert!(report["bytes"].as_u64().is_some_and(|bytes| bytes > 1000), "{report}");
    assert!(report["readyState"].as_u64().is_some_and(|state| state >= 2), "{report}");
    assert!(report["seconds"].as_f64().is_some_and(|seconds| seconds > 2.5), "{report}");
    assert!(report["frames"].as_u64().is_some_and(|frames| frames > 0), "{report}");
}
