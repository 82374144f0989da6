//! URLs that others name: what is told from their text, before anything is resolved. What passes is read once, and from
//! there on only the form that was read is used, so that no two parsers can disagree about it.

use url::{Host, Url};

use crate::refusals::Refused;

/// What a URL may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextRule {
    /// Its beginning.
    schemes: &'static [&'static str],
    /// Characters as it came, and bytes as it is used.
    length_max: usize,
    /// What is refused by it.
    pub(crate) refused: Refused,
    too_long: &'static str,
}

/// Where a client wants to be told.
pub(crate) const LISTENER: TextRule = TextRule {
    schemes: &["https"],
    refused: Refused::Listener,
    length_max: 2048,
    too_long: "may have at most 2048 characters",
};
/// The same, where the operator lets clients do without TLS.
pub(crate) const PLAIN_LISTENER: TextRule = TextRule { schemes: &["https", "http"], ..LISTENER };
/// Media that a client or an upstream keeps somewhere; signed links are long.
pub(crate) const MEDIA: TextRule = TextRule {
    schemes: &["https", "http"],
    refused: Refused::Media,
    length_max: 8192,
    too_long: "may have at most 8192 characters",
};

/// Names that never lead out: special-use domains (RFC 6761, 6762, 7686, 8375, and `internal`).
const INSIDE: &[&str] = &["localhost", "local", "internal", "onion", "home.arpa"];
/// The lowest port that needs no privilege, beside the port of the scheme and that of HTTPS.
const PORT_MIN: u16 = 1024;
const LABEL_BYTES_MAX: usize = 63;
const NAME_BYTES_MAX: usize = 253;

/// Reads `text`, without its fragment; or why it cannot be called, in words for whoever named it. `allow_names` are the
/// names inside that the operator allows.
pub(crate) fn parse(text: &str, rule: TextRule, allow_names: &[String]) -> Result<Url, &'static str> {
    if text.chars().nth(rule.length_max).is_some() {
        return Err(rule.too_long);
    }
    if text.contains(is_unseen) {
        return Err("must not hold spaces, backslashes or characters that cannot be seen");
    }
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    if !rule.schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Err(if rule.schemes.len() == 1 {
            "must begin with https://"
        } else {
            "must begin with https:// or http://"
        });
    }
    let (host, port) = authority(rest)?;
    let mut url = Url::parse(text).map_err(|_| "must be a URL such as https://example.com/done")?;
    url.set_fragment(None);
    if url.as_str().len() > rule.length_max {
        return Err(rule.too_long);
    }
    check_port(&url, port)?;
    match url.host() {
        // Other spellings of an address are for those who hope that somebody reads them differently.
        Some(Host::Ipv4(v4)) if v4.to_string() != host => Err("must have its address in the form 192.0.2.1"),
        Some(Host::Domain(name)) => check_name(name, allow_names),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => Ok(()),
        None => Err("must name a host"),
    }?;
    Ok(url)
}

/// Where a redirect from `from` leads, under the same rule.
pub(crate) fn join(from: &Url, location: &str, allow_names: &[String]) -> Result<Url, &'static str> {
    if let Some(rest) = location.strip_prefix("//") {
        return parse(&format!("{}://{rest}", from.scheme()), MEDIA, allow_names);
    }
    match from.join(location) {
        Ok(url) if url.origin() == from.origin() => parse(url.as_str(), MEDIA, allow_names),
        _ => parse(location, MEDIA, allow_names),
    }
}

/// Whether a host is one of the names inside that the operator allows.
pub(crate) fn is_allowed(host: &str, allow_names: &[String]) -> bool {
    allow_names.iter().any(|allowed| {
        if allowed.starts_with('.') { host.ends_with(allowed.as_str()) } else { host == allowed }
    })
}

/// Host and port as they came, from what follows the scheme.
fn authority(rest: &str) -> Result<(&str, Option<&str>), &'static str> {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("must not hold a user or a password");
    }
    if authority.is_empty() || authority.contains('%') {
        return Err("must name a host");
    }
    let port_at = match authority.rfind(']') {
        Some(end) => authority[end..].find(':').map(|at| end + at),
        None => authority.find(':'),
    };
    Ok(match port_at {
        Some(at) => (&authority[..at], Some(&authority[at + 1..])),
        None => (authority, None),
    })
}

fn check_port(url: &Url, text: Option<&str>) -> Result<(), &'static str> {
    let Some(text) = text else { return Ok(()) };
    let usual = if url.scheme() == "http" { 80 } else { 443 };
    let port = url.port().unwrap_or(usual);
    if text != port.to_string() || !(port == usual || port == 443 || port >= PORT_MIN) {
        return Err("must have no port, port 443, or one from 1024 to 65535");
    }
    Ok(())
}

/// `name` is what the parser makes of a host: lower case, ASCII.
fn check_name(name: &str, allow_names: &[String]) -> Result<(), &'static str> {
    let is_label = |label: &str| {
        let edge = |byte: Option<&u8>| byte.is_some_and(|byte| *byte != b'-');
        let bytes = label.as_bytes();
        bytes.len() <= LABEL_BYTES_MAX && edge(bytes.first()) && edge(bytes.last())
            // The underscore is in no host name, and yet in those of many a bucket.
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if name.len() > NAME_BYTES_MAX || !name.split('.').all(is_label) {
        return Err("must have a host name such as example.com");
    }
    let below =
        |zone: &&str| name.strip_suffix(*zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if (!name.contains('.') || INSIDE.iter().any(below)) && !is_allowed(name, allow_names) {
        return Err("must have a public host name");
    }
    Ok(())
}

/// Whether a character has no place in a URL that somebody may have to read: white space, controls, what directs or joins
/// other characters (Unicode's default ignorable code points), and the backslash, which parsers take for a slash or not.
fn is_unseen(character: char) -> bool {
    character == '\\'
        || character.is_whitespace()
        || character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(location: &str) -> Result<String, &'static str> {
        let from = Url::parse("https://a.example/clips/1?x=1").unwrap();
        join(&from, location, &[]).map(String::from)
    }

    #[test]
    fn a_redirect_may_leave_its_host_only_by_a_whole_url() {
        assert_eq!(media("2"), Ok("https://a.example/clips/2".to_owned()));
        assert_eq!(media("/2#x"), Ok("https://a.example/2".to_owned()));
        assert_eq!(
            media("?url=https://b.example/"),
            Ok("https://a.example/clips/1?url=https://b.example/".to_owned())
        );
        assert_eq!(media("https://b.example/2"), Ok("https://b.example/2".to_owned()));
        assert_eq!(media("//b.example:8443/2"), Ok("https://b.example:8443/2".to_owned()));
        for refused in [
            "http:b.example",
            "http:/b.example",
            "//localhost/",
            "https://2130706433/",
            "///b.example",
            "\\\\b.example",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "https://u@b.example/",
            "//127.1/",
        ] {
            assert!(media(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn names_inside_are_for_those_whom_the_operator_lets() {
        let names = ["n8n".to_owned(), ".svc.cluster.local".to_owned()];
        for allowed in ["http://n8n:5678/hook", "http://hooks.shop.svc.cluster.local/"] {
            assert!(parse(allowed, PLAIN_LISTENER, &names).is_ok(), "{allowed}");
            assert!(parse(allowed, PLAIN_LISTENER, &[]).is_err(), "{allowed}");
        }
        for refused in ["http://n8n2/", "http://x.n8n/x", "http://svc.cluster.local/", "http://localhost/"] {
            let verdict = parse(refused, PLAIN_LISTENER, &names);
            assert_eq!(verdict.is_err(), refused != "http://x.n8n/x", "{refused}");
        }
    }
}
