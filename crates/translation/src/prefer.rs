//! The `Prefer` header (RFC 7240): how long a client would wait for its answer.

use http::{HeaderMap, HeaderName};

/// Not among the names that the HTTP library knows.
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// How long a client would wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As long as it takes.
    Open,
    /// So many seconds.
    Seconds(u64),
}

/// The first `wait` or `wait=SECONDS` among the client's preferences. What cannot be read is no preference: by section 2
/// of the RFC such a header never makes a request fail.
pub(crate) fn wait(headers: &HeaderMap) -> Option<Patience> {
    let lines = headers.get_all(PREFER).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).find_map(|preference| {
        let (preference, _parameters) = preference.split_once(';').unwrap_or((preference, ""));
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        match (name.trim().eq_ignore_ascii_case("wait"), value.trim().trim_matches('"')) {
            (false, _) => None,
            (true, "") => Some(Patience::Open),
            (true, seconds) => seconds.parse().ok().map(Patience::Seconds),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_a_preference_among_others() {
        let found = |lines: &[&'static str]| {
            wait(&lines.iter().map(|line| (PREFER, line.parse().unwrap())).collect())
        };
        for (lines, expected) in [
            (&["wait"][..], Some(Patience::Open)),
            (&["wait=5"], Some(Patience::Seconds(5))),
            (&["Wait = \"5\""], Some(Patience::Seconds(5))),
            (&["respond-async, wait=10"], Some(Patience::Seconds(10))),
            (&["wait=10; for=me"], Some(Patience::Seconds(10))),
            (&["handling=strict", "wait=7"], Some(Patience::Seconds(7))),
            (&["wait=0"], Some(Patience::Seconds(0))),
            (&["wait=soon"], None),
            (&["wait=-1"], None),
            (&["await=5"], None),
            (&[], None),
        ] {
            assert_eq!(found(lines), expected, "{lines:?}");
        }
    }
}
