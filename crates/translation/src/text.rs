//! Others' words in our mouth: bounded, of one line, and free of addresses.

/// Characters of an upstream's message that a client may see.
const SHARED_CHARS_MAX: usize = 300;
/// A longer word is no word but a key, an id or a token.
const WORD_CHARS_MAX: usize = 32;

/// The first `chars_max` characters of `text` in one line: control characters and runs of spaces become one space.
pub(crate) fn bounded(text: &str, chars_max: usize) -> String {
    let mut line = String::new();
    let mut chars = 0;
    for c in text.chars() {
        let c = if c.is_control() || c.is_whitespace() { ' ' } else { c };
        if c == ' ' && (line.is_empty() || line.ends_with(' ')) {
            continue;
        }
        if chars == chars_max {
            line.push('…');
            break;
        }
        line.push(c);
        chars += 1;
    }
    line.truncate(line.trim_end().len());
    line
}

/// What a client may see of an upstream's message: all of its first characters, or nothing if it speaks of a URL, a
/// host or anything like a key. Rather too little than an address.
pub(crate) fn shareable(text: &str) -> Option<String> {
    let line = bounded(text, SHARED_CHARS_MAX);
    let unsafe_word = |word: &str| word.chars().count() > WORD_CHARS_MAX || looks_like_address(word);
    let hidden = line.is_empty() || text.contains("://") || line.split(' ').any(unsafe_word);
    (!hidden).then_some(line)
}

/// `api.example.com`, `10.0.0.1`, `someone@example`, `node7:8080`, `localhost`, `[::1]`.
fn looks_like_address(word: &str) -> bool {
    let joins = |mark: char, follows: fn(char) -> bool| {
        word.match_indices(mark).any(|(at, _)| {
            word[..at].ends_with(char::is_alphanumeric) && word[at + mark.len_utf8()..].starts_with(follows)
        })
    };
    joins('.', char::is_alphanumeric)
        || joins('@', char::is_alphanumeric)
        || joins(':', char::is_numeric)
        || word.contains("::")
        || word.to_ascii_lowercase().contains("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_one_bounded_line() {
        assert_eq!(bounded(" a\r\n\tb\0c  ", 10), "a b c");
        assert_eq!(bounded("ääää", 3), "äää…");
        assert_eq!(bounded("", 3), "");
    }

    #[test]
    fn addresses_and_keys_are_not_shared() {
        for text in [
            "see https://example.com",
            "ask api.example.com.",
            "at 10.0.0.1 it failed",
            "node7:8080 refused",
            "LOCALHOST",
            "write to me@example",
            "no route to [::1]",
            "bad key sk-0123456789abcdef0123456789abcdef",
            "",
        ] {
            assert_eq!(shareable(text), None, "{text}");
        }
        assert_eq!(shareable("less blood, e.g. none"), None, "rather too little than an address");
        let plain = "Your prompt was flagged as violating content policies. Field: model:veo3.";
        assert_eq!(shareable(plain).as_deref(), Some(plain));
    }

    #[test]
    fn a_long_message_is_cut() {
        assert_eq!(shareable(&"no ".repeat(1000)).unwrap().chars().count(), 301);
    }
}
