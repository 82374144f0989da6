//! Reads media that a client put into a text: a URL, a data URI, or base64 without any prefix.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::{GeneralPurpose, PAD_INDIFFERENT};
use domain::{DraftMedia, Failure};

use crate::web::is_web_url;

/// With or without padding, and whatever the unused bits of the last symbol say.
const PLAIN: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, PAD_INDIFFERENT.with_decode_allow_trailing_bits(true));
/// The same with the alphabet that is safe in URLs.
const SAFE: GeneralPurpose =
    GeneralPurpose::new(&URL_SAFE, PAD_INDIFFERENT.with_decode_allow_trailing_bits(true));

/// The media in `text`; a failure names `field` and the reason, but does not repeat the text.
pub(crate) fn decode_media(field: &str, text: &str) -> Result<DraftMedia, Failure> {
    let refuse = |reason: &str| Err(Failure::invalid(field, format!("{field}: {reason}")));
    let text = text.trim();
    if is_web_url(text) {
        return Ok(DraftMedia::Url(text.to_owned()));
    }
    let encoded = match data_uri(text) {
        Some((head, encoded)) if ends_with_ignoring_case(head, ";base64") => encoded,
        Some(_) => return refuse("a data URI must be base64"),
        None if text.contains("://") => return refuse("only whole http and https URLs are possible"),
        None => text,
    };
    match decode_base64(encoded) {
        Some(bytes) if bytes.is_empty() => refuse("holds no bytes"),
        Some(bytes) => Ok(DraftMedia::Inline(bytes.into())),
        None => refuse("neither an http(s) URL, nor a data URI, nor base64"),
    }
}

/// The part before the comma without `data:`, and the part after it.
fn data_uri(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_at_checked("data:".len())?;
    if !scheme.eq_ignore_ascii_case("data:") {
        return None;
    }
    Some(rest.split_once(',').unwrap_or((rest, "")))
}

pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let symbols: Cow<'_, [u8]> = if text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect()
    } else {
        text.as_bytes().into()
    };
    let engine = if symbols.iter().any(|symbol| matches!(symbol, b'-' | b'_')) { SAFE } else { PLAIN };
    engine.decode(&symbols).ok()
}

fn ends_with_ignoring_case(text: &str, end: &str) -> bool {
    text.len()
        .checked_sub(end.len())
        .and_then(|start| text.get(start..))
        .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inline(text: &str) -> Vec<u8> {
        match decode_media("f", text) {
            Ok(DraftMedia::Inline(bytes)) => bytes.to_vec(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn base64_comes_in_every_dress() {
        let bytes = [0xfb, 0xff, 0xbe, 0x01];
        for text in ["+/++AQ==", "+/++AQ", "-_--AQ==", "-_--AQ", "+/++\nAQ==\r\n", " data:;base64,+/++AQ== "]
        {
            assert_eq!(inline(text), bytes, "{text:?}");
        }
        assert_eq!(inline("DATA:image/png;charset=x;BASE64,-_--AQ"), bytes);
    }

    #[test]
    fn urls_are_taken_as_they_are() {
        for text in ["https://example.com/a.png", "HTTP://example.com:8080/a?b=c"] {
            assert_eq!(decode_media("f", text), Ok(DraftMedia::Url(text.to_owned())));
        }
    }

    #[test]
    fn what_is_neither_is_refused_with_field_and_reason() {
        for (text, reason) in [
            ("ftp://example.com/a.png", "only whole http and https URLs are possible"),
            ("https://", "only whole http and https URLs are possible"),
            ("https://exa mple.com/", "only whole http and https URLs are possible"),
            ("javascript:alert(1)", "neither an http(s) URL, nor a data URI, nor base64"),
            ("cat.png", "neither an http(s) URL, nor a data URI, nor base64"),
            ("data:image/svg+xml,<svg/>", "a data URI must be base64"),
            ("data:image/png;base64,", "holds no bytes"),
            ("data:image/png;base64", "holds no bytes"),
            ("données", "neither an http(s) URL, nor a data URI, nor base64"),
        ] {
            let failure = decode_media("images[1]", text).unwrap_err();
            assert_eq!(failure.public, format!("images[1]: {reason}"));
            assert_eq!(failure.field.as_deref(), Some("images[1]"));
        }
    }
}
