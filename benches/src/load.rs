//! A closed loop over keep-alive connections: each sends its next request when the answer to the last is there.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One kind of request, ready to be sent.
#[derive(Debug, Clone)]
pub struct Shot {
    /// The bytes on the wire.
    pub bytes: Vec<u8>,
}

impl Shot {
    /// A POST of JSON.
    pub fn post(path: &str, key: &str, body: &str) -> Self {
        let text = format!(
            "POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        Self { bytes: text.into_bytes() }
    }

    /// A GET.
    pub fn get(path: &str, key: &str) -> Self {
        let text = format!("GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n\r\n");
        Self { bytes: text.into_bytes() }
    }
}

/// What a round of load saw.
#[derive(Debug, Clone)]
pub struct Round {
    /// Answers with status 200.
    pub answered: u64,
    /// From the first request to the last answer.
    pub lasted: Duration,
    /// Latencies, sorted.
    pub latencies: Vec<Duration>,
}

impl Round {
    /// Answers a second.
    pub fn per_second(&self) -> f64 {
        self.answered as f64 / self.lasted.as_secs_f64()
    }

    /// The latency that the share `quantile` of requests did not exceed.
    pub fn latency(&self, quantile: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((last as f64 * quantile) as usize).copied().unwrap_or_default()
    }
}

/// Fires `shot` at 127.0.0.1:`port` over `connections` for `duration`. Any answer but 200 ends the run.
pub async fn fire(port: u16, shot: &Shot, connections: usize, duration: Duration) -> anyhow::Result<Round> {
    let begun = Instant::now();
    let until = begun + duration;
    let shooters: Vec<_> = (0..connections).map(|_| tokio::spawn(shoot(port, shot.clone(), until))).collect();
    let mut latencies = Vec::new();
    for shooter in shooters {
        latencies.extend(shooter.await??);
    }
    let lasted = begun.elapsed();
    latencies.sort_unstable();
    Ok(Round { answered: latencies.len() as u64, lasted, latencies })
}

/// Fires once and returns the body of the answer.
pub async fn once(port: u16, shot: &Shot) -> anyhow::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(&shot.bytes).await?;
    let mut buffer = Vec::new();
    let body_at = read_answer(&mut stream, &mut buffer).await?;
    Ok(buffer.split_off(body_at))
}

async fn shoot(port: u16, shot: Shot, until: Instant) -> anyhow::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let mut latencies = Vec::new();
    let mut buffer = Vec::new();
    while Instant::now() < until {
        let sent = Instant::now();
        stream.write_all(&shot.bytes).await?;
        buffer.clear();
        read_answer(&mut stream, &mut buffer).await?;
        latencies.push(sent.elapsed());
    }
    Ok(latencies)
}

/// Reads one answer with a content-length; where its body begins.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<usize> {
    loop {
        let read = stream.read_buf(buffer).await?;
        ensure!(read > 0, "the server closed the connection");
        let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&buffer[..end]).context("a head that is no text")?;
        ensure!(head.starts_with("HTTP/1.1 200"), "answered: {}", String::from_utf8_lossy(buffer));
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
        });
        if buffer.len() >= end + 4 + length.context("an answer without a length")? {
            return Ok(end + 4);
        }
    }
}
