//! URLs and path parts: which ones are taken from others, and how ours are written.

use domain::{GenerationRequest, MediaKind, Role, Source, media_type_of_extension};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Bytes of a URL; presigned ones are long, but none needs more.
const URL_BYTES_MAX: usize = 8192;
/// Bytes of an upstream's id of a task.
const HANDLE_BYTES_MAX: usize = 2048;
/// Results of one task; no API gives as many.
const SOURCES_MAX: usize = 16;

/// Everything but the characters that never need encoding (RFC 3986, section 2.3).
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `text` as one path segment or one query value, whatever it holds.
pub(crate) fn component(text: &str) -> String {
    utf8_percent_encode(text, COMPONENT).to_string()
}

/// The first value of `name` in a query, percent-decoded; empty if there is none.
pub(crate) fn query_value(query: &str, name: &str) -> String {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut values = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
    values.next().map(|value| percent_decode_str(value).decode_utf8_lossy().into_owned()).unwrap_or_default()
}

/// Whether `text` is an http or https URL with a host, without spaces, and of bearable length.
/// Whether its host may be reached is decided where connections are made.
pub(crate) fn is_web_url(text: &str) -> bool {
    let rest = ["http://", "https://"].iter().find_map(|scheme| {
        let (start, rest) = text.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#', ':']))
        && text.len() <= URL_BYTES_MAX
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// The URLs of the request's inputs of one role, in order, on a gateway that upstreams reach at `base_url`.
pub(crate) fn input_urls(request: &GenerationRequest, role: Role, base_url: &str) -> Vec<String> {
    let inputs = request.inputs.iter().filter(|input| input.role == role);
    inputs.map(|input| input.media.url(base_url)).collect()
}

/// The usable ones among an upstream's result URLs, each once.
pub(crate) fn sources<'a>(urls: impl IntoIterator<Item = &'a str>, otherwise: MediaKind) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    for url in urls.into_iter().map(str::trim).filter(|url| is_web_url(url)) {
        if sources.len() < SOURCES_MAX && !sources.iter().any(|known| known.url == url) {
            sources.push(Source::open(kind_by_extension(url).unwrap_or(otherwise), url));
        }
    }
    sources
}

/// An upstream's id of a task, or why it cannot be one. It may hold any characters, since [`component`] encodes
/// them, but dots alone would walk up a path.
pub(crate) fn handle(id: &str) -> Result<String, String> {
    if id.trim_matches('.').trim().is_empty() {
        return Err("the reply has no usable task id".to_owned());
    }
    if id.len() > HANDLE_BYTES_MAX {
        return Err(format!("the reply has a task id of {} bytes", id.len()));
    }
    Ok(id.to_owned())
}

fn kind_by_extension(url: &str) -> Option<MediaKind> {
    let path = url.split(['?', '#']).next()?;
    let (_, extension) = path.rsplit_once('/')?.1.rsplit_once('.')?;
    match media_type_of_extension(extension)?.split('/').next()? {
        "image" => Some(MediaKind::Image),
        "audio" => Some(MediaKind::Audio),
        _ => Some(MediaKind::Video),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_urls_are_results() {
        let urls = [
            "javascript:alert(1)",
            "",
            "/etc/passwd",
            "file:///x",
            "https:///x",
            "https://h/a\nb",
            "https://h/1",
        ];
        let sources = sources(urls, MediaKind::Video);
        assert_eq!(sources, [Source::open(MediaKind::Video, "https://h/1")]);
        assert!(!is_web_url(&format!("https://h/{}", "x".repeat(URL_BYTES_MAX))));
    }

    #[test]
    fn a_value_is_found_in_a_query() {
        assert_eq!(query_value("a=1&taskId=veo%3A1&taskId=2", "taskId"), "veo:1");
        for query in ["", "taskId", "taskId=", "xtaskId=1", "a=taskId"] {
            assert_eq!(query_value(query, "taskId"), "", "{query}");
        }
    }

    #[test]
    fn the_extension_tells_the_kind_and_repeats_count_once() {
        let sources =
            sources(["https://h/a.png?sig=b.mp4", "https://h/b.mp3", "https://h/b.mp3"], MediaKind::Video);
        assert_eq!(
            sources.iter().map(|source| source.kind).collect::<Vec<_>>(),
            [MediaKind::Image, MediaKind::Audio]
        );
    }

    #[test]
    fn an_id_may_hold_anything_but_must_not_walk_up() {
        assert_eq!(component("veo3:1/..\r\nä"), "veo3%3A1%2F..%0D%0A%C3%A4");
        assert_eq!(handle("a/b:c"), Ok("a/b:c".to_owned()));
        for id in ["", " ", ".", ".."] {
            assert!(handle(id).is_err(), "{id:?}");
        }
        assert!(handle(&"x".repeat(10_000)).is_err());
    }
}
