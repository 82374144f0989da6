//! How long a reply may wait for its task: `?wait=SECONDS`, or `Prefer: wait=SECONDS` in the headers.

use std::time::Duration;

use domain::{Call, Failure};

use crate::prefer::Patience;
use crate::text::bounded;
use crate::{Wait, prefer, web};

/// The parameter.
const WAIT: &str = "wait";
/// Characters of a wrong value that a message shows.
const SHOWN_CHARS_MAX: usize = 40;

/// The wait in a call; the query goes before the headers. An empty value counts as absent, and 0 as no wait.
pub(super) fn decode_wait(call: &Call) -> Result<Wait, Failure> {
    let value = web::query_value(&call.query, WAIT);
    let patience = if value.is_empty() { prefer::wait(&call.headers) } else { Some(decode_seconds(&value)?) };
    Ok(match patience {
        None | Some(Patience::Seconds(0)) => Wait::No,
        Some(Patience::Seconds(seconds)) => Wait::UpTo(Duration::from_secs(seconds)),
        Some(Patience::Open) => Wait::UpTo(Duration::MAX),
    })
}

fn decode_seconds(value: &str) -> Result<Patience, Failure> {
    value.parse().map(Patience::Seconds).map_err(|_| {
        let text = format!("wait: \"{}\" found, allowed is a whole number of seconds", {
            bounded(value, SHOWN_CHARS_MAX)
        });
        Failure::invalid(WAIT, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(query: &str, prefer: &'static str) -> Option<Wait> {
        let mut call = Call::get("/v2/videos/generations/x");
        call.query = query.to_owned();
        call.headers.insert("prefer", prefer.parse().unwrap());
        decode_wait(&call).ok()
    }

    #[test]
    fn the_query_goes_before_the_preference() {
        let up_to = |seconds| Some(Wait::UpTo(Duration::from_secs(seconds)));
        assert_eq!(wait("wait=5", "wait=7"), up_to(5));
        assert_eq!(wait("wait=", "wait=7"), up_to(7));
        assert_eq!(wait("wait=0", "wait=7"), Some(Wait::No));
        assert_eq!(wait("", "wait"), Some(Wait::UpTo(Duration::MAX)));
        assert_eq!(wait("", "handling=lenient"), Some(Wait::No));
    }

    #[test]
    fn a_wrong_value_is_refused_in_the_query_and_no_preference_in_the_header() {
        for wrong in ["soon", "-1", "1.5", "30s", "99999999999999999999999", "%20"] {
            assert_eq!(wait(&format!("wait={wrong}"), ""), None, "{wrong}");
        }
        assert_eq!(wait("", "wait=soon"), Some(Wait::No));
    }
}
