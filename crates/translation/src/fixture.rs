//! HTTP messages as readable text: what fixtures, the sandbox, fuzzers and benches write down and read.
//!
//! ```text
//! POST /v2/videos/generations HTTP/1.1        HTTP/1.1 200 OK
//! content-type: application/json              content-type: application/json
//!
//! {"prompt": "a cat"}                         {"task_id": "1"}
//! ```
//! The body is everything after the first empty line, less one line end at its end. Nothing here reads a file.

use bytes::Bytes;
use domain::{Call, Reply};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

/// A text that is no HTTP message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct FixtureError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// The request in `text`.
pub fn read_call(text: &[u8]) -> Result<Call, FixtureError> {
    let Message { start, headers, body } = split(text)?;
    let problem = |problem| FixtureError { line: 1, problem };
    let (method, rest) = start.split_once(' ').ok_or(problem("expected METHOD PATH HTTP/1.1"))?;
    let target = rest.strip_suffix(" HTTP/1.1").ok_or(problem("expected METHOD PATH HTTP/1.1"))?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Ok(Call {
        media: Vec::new(),
        method: Method::from_bytes(method.as_bytes()).map_err(|_| problem("not a method"))?,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body,
    })
}

/// The response in `text`.
pub fn read_reply(text: &[u8]) -> Result<Reply, FixtureError> {
    let Message { start, headers, body } = split(text)?;
    let problem = FixtureError { line: 1, problem: "expected HTTP/1.1 STATUS REASON" };
    let status =
        start.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.split(' ').next()).ok_or(problem.clone())?;
    Ok(Reply { status: StatusCode::from_bytes(status.as_bytes()).map_err(|_| problem)?, headers, body })
}

/// `call` as text; a JSON body is laid out for reading, and stored media in it is shown by its name: `<base64 ID>`.
pub fn write_call(call: &Call) -> String {
    let query = if call.query.is_empty() { String::new() } else { format!("?{}", call.query) };
    let mut body = call.body.to_vec();
    for slot in call.media.iter().rev() {
        body.splice(
            slot.at..slot.at,
            format!("<{:?} {}>", slot.form, slot.asset).to_lowercase().into_bytes(),
        );
    }
    write(&format!("{} {}{query} HTTP/1.1", call.method, call.path), &call.headers, &body)
}

/// `reply` as text; a JSON body is laid out for reading.
pub fn write_reply(reply: &Reply) -> String {
    let reason = reply.status.canonical_reason().unwrap_or("Unlisted");
    write(&format!("HTTP/1.1 {} {reason}", reply.status.as_u16()), &reply.headers, &reply.body)
}

struct Message {
    start: String,
    headers: HeaderMap,
    body: Bytes,
}

fn split(text: &[u8]) -> Result<Message, FixtureError> {
    let mut rest = text;
    let mut number = 0;
    let mut next_line = || {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let line =
            String::from_utf8_lossy(rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end])).into_owned();
        rest = rest.get(end + 1..).unwrap_or_default();
        line
    };
    let start = next_line();
    let mut headers = HeaderMap::new();
    loop {
        number += 1;
        let line = next_line();
        if line.is_empty() {
            break;
        }
        let (name, value) =
            header(&line).ok_or(FixtureError { line: number + 1, problem: "expected name: value" })?;
        headers.append(name, value);
    }
    let body = rest.strip_suffix(b"\n").unwrap_or(rest);
    Ok(Message { start, headers, body: Bytes::copy_from_slice(body) })
}

fn header(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    Some((name.parse().ok()?, value.trim().parse().ok()?))
}

fn write(start: &str, headers: &HeaderMap, body: &[u8]) -> String {
    let mut lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    lines.sort();
    lines.insert(0, start.to_owned());
    let body = match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(json) => format!("{json:#}"),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    lines.extend([String::new(), body]);
    lines.join("\n").trim_end().to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_as_it_was_written() {
        let text = "POST /a?b=c HTTP/1.1\ncontent-type: application/json\n\n{\n  \"a\": 1\n}\n";
        let call = read_call(text.as_bytes()).unwrap();
        assert_eq!((call.path.as_str(), call.query.as_str()), ("/a", "b=c"));
        assert_eq!(write_call(&call), text);

        let text = "HTTP/1.1 429 Too Many Requests\nretry-after: 7\n\nslow down\n";
        assert_eq!(write_reply(&read_reply(text.as_bytes()).unwrap()), text);
        let text = "GET / HTTP/1.1\n";
        assert_eq!(write_call(&read_call(text.as_bytes()).unwrap()), text);
    }

    #[test]
    fn a_broken_message_is_placed() {
        assert_eq!(read_call(b"GET /\n\n").unwrap_err().line, 1);
        assert_eq!(read_reply(b"HTTP/2 200\n\n").unwrap_err().line, 1);
        assert_eq!(read_reply(b"HTTP/1.1 200 OK\na: b\nbroken\n\n").unwrap_err().line, 3);
    }
}
