//! How events are written in a stream: `text/event-stream` of the HTML standard, section "Server-sent events".

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// By which a client says what it has seen when it comes back.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Makes a common proxy hand on each event as it comes.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What keeps the line warm: a comment, which no client shows.
pub(crate) const KEEP_ALIVE: Bytes = Bytes::from_static(b":\n\n");

/// The headers of a stream.
pub(crate) fn headers() -> HeaderMap {
    HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (UNBUFFERED, HeaderValue::from_static("no")),
    ])
}

/// The id of the last event that the client has seen; `None` if it says none, or one that is not ours.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Option<u64> {
    headers.get(LAST_EVENT_ID)?.to_str().ok()?.trim().parse().ok()
}

/// How long a client shall wait before it comes back, in milliseconds.
pub(crate) fn retry(millis: u64) -> String {
    format!("retry: {millis}\n\n")
}

/// One event. `data` may have several lines; `name` has one.
pub(crate) fn event(id: u64, name: &str, data: &str) -> String {
    let mut text = format!("id: {id}\nevent: {name}\n");
    // Each of the three line ends that the standard knows would end the field.
    let lines = data.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'));
    for line in lines {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client of the standard makes of a stream: id, name and data of each event.
    fn read(stream: &str) -> Vec<(String, String, String)> {
        let mut events = Vec::new();
        let (mut id, mut name, mut data) = (String::new(), String::new(), Vec::new());
        for line in stream.replace("\r\n", "\n").replace('\r', "\n").lines() {
            match line.split_once(": ") {
                _ if line.is_empty() => {
                    if !data.is_empty() {
                        events.push((id.clone(), std::mem::take(&mut name), data.join("\n")));
                    }
                    data.clear();
                }
                Some(("id", value)) => value.clone_into(&mut id),
                Some(("event", value)) => value.clone_into(&mut name),
                Some(("data", value)) => data.push(value.to_owned()),
                _ => {}
            }
        }
        events
    }

    #[test]
    fn an_event_is_read_as_it_was_written_whatever_stands_around_it() {
        for data in [r#"{"task_id":"a","status":"IN_PROGRESS"}"#, "", " leading", "id: 9", "two\nlines", ":"]
        {
            let stream =
                [&retry(1000), ":\n\n", &event(7, "IN_PROGRESS", data), ":\n\n", &event(8, "END", "x")];
            let expected = [("7", "IN_PROGRESS", data), ("8", "END", "x")];
            let expected = expected.map(|(id, name, data)| (id.to_owned(), name.to_owned(), data.to_owned()));
            assert_eq!(read(&stream.concat()), expected, "{data:?}");
        }
    }

    #[test]
    fn no_line_end_ends_the_data() {
        for data in ["a\rb", "a\nb", "a\r\nb"] {
            let stream = event(1, "e", data);
            assert_eq!(stream, "id: 1\nevent: e\ndata: a\ndata: b\n\n", "{data:?}");
        }
    }

    #[test]
    fn only_numbers_are_ids_of_ours() {
        let id = |value: &'static str| {
            last_event_id(&HeaderMap::from_iter([(LAST_EVENT_ID, HeaderValue::from_static(value))]))
        };
        assert_eq!((id("0"), id(" 12 "), id("x"), id(""), id("-1")), (Some(0), Some(12), None, None, None));
        assert_eq!(last_event_id(&HeaderMap::new()), None);
    }
}
