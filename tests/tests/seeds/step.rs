//! A file: a request, and the replies that it may get.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// How a reply begins.
const REPLY: &str = "HTTP/1.1 ";

/// A request and its replies.
#[derive(Debug)]
pub(crate) struct Step {
    /// Where it is written.
    pub(crate) file: PathBuf,
    pub(crate) method: http::Method,
    /// Path and query. In it, in the headers and in the body names in angle brackets are still to be replaced.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// At least one; the last ends the step.
    pub(crate) replies: Vec<Expected>,
}

/// A reply as it is written.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) status: http::StatusCode,
    pub(crate) headers: Vec<(String, String)>,
    /// A pattern.
    pub(crate) body: Value,
}

impl Step {
    /// Reads a file.
    ///
    /// # Panics
    /// If it is not in the form that the README of `tests/seeds` tells.
    pub(crate) fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap();
        Self::parse(file, &text)
            .unwrap_or_else(|| panic!("{}: not a request and its replies", file.display()))
    }

    fn parse(file: &Path, text: &str) -> Option<Self> {
        let lines: Vec<&str> = text.lines().skip_while(|line| line.starts_with('#')).collect();
        let is_start = |index: &usize| lines[*index].starts_with(REPLY);
        let starts: Vec<usize> = (0..lines.len()).filter(is_start).collect();
        let ends = starts.iter().copied().skip(1).chain([lines.len()]);
        let replies = starts.iter().zip(ends).map(|(start, end)| expected(&lines[*start..end]));
        let replies: Vec<Expected> = replies.collect::<Option<_>>()?;
        let Message { start, headers, body } = Message::parse(&lines[..*starts.first()?])?;
        let (method, rest) = start.split_once(' ')?;
        Some(Self {
            file: file.to_owned(),
            method: method.parse().ok()?,
            target: rest.strip_suffix(" HTTP/1.1")?.to_owned(),
            headers,
            body,
            replies,
        })
    }
}

fn expected(lines: &[&str]) -> Option<Expected> {
    let Message { start, headers, body } = Message::parse(lines)?;
    let status = start.strip_prefix(REPLY)?.split(' ').next()?.parse().ok()?;
    Some(Expected { status, headers, body: serde_json::from_str(&body).ok()? })
}

struct Message<'a> {
    start: &'a str,
    headers: Vec<(String, String)>,
    /// Without the empty lines around it.
    body: String,
}

impl<'a> Message<'a> {
    fn parse(lines: &[&'a str]) -> Option<Self> {
        let (start, rest) = lines.split_first()?;
        let end = rest.iter().position(|line| line.is_empty()).unwrap_or(rest.len());
        let header = |line: &&str| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_owned(), value.to_owned()))
        };
        let headers = rest[..end].iter().map(header).collect::<Option<_>>()?;
        Some(Self { start, headers, body: rest[end..].join("\n").trim().to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_request_and_its_replies() {
        let text = "# Why.\nGET /a?b=<c> HTTP/1.1\nX: y\n\n\
                    HTTP/1.1 202 Accepted\n\n{}\n\nHTTP/1.1 200 OK\nA: b\n\n{ \"c\": 1 }\n";
        let step = Step::parse(Path::new("a.http"), text).unwrap();
        assert_eq!(
            (step.method, step.target.as_str(), step.body.as_str()),
            (http::Method::GET, "/a?b=<c>", "")
        );
        assert_eq!(step.headers, [("X".to_owned(), "y".to_owned())]);
        let statuses: Vec<u16> = step.replies.iter().map(|reply| reply.status.as_u16()).collect();
        assert_eq!(statuses, [202, 200]);
        assert_eq!(step.replies[1].body, serde_json::json!({ "c": 1 }));
    }

    #[test]
    fn what_cannot_be_replayed_is_refused() {
        for text in [
            "",
            "GET / HTTP/1.1\n",
            "GET /\n\nHTTP/1.1 200 OK\n\n{}",
            "GET / HTTP/1.1\n\nHTTP/1.1 200 OK\n\n{",
        ] {
            assert!(Step::parse(Path::new("a.http"), text).is_none(), "{text}");
        }
    }
}
