//! Days and moments, as operators write them.

use std::time::Duration;

use domain::Timestamp;
use translation::rfc3339;

const DAY: Duration = Duration::from_secs(24 * 3600);
const EXPECTED: &str = "a day such as 2026-11-21, or a moment such as 2026-11-21T08:00:00Z";

/// The first moment of a day (in UTC), or a moment.
///
/// # Errors
/// A text that is neither; what was expected.
pub fn span_start(text: &str) -> Result<Timestamp, String> {
    day(text).or_else(|| rfc3339::parse(text)).ok_or_else(|| EXPECTED.to_owned())
}

/// The first moment after a day (in UTC), or a moment.
///
/// # Errors
/// A text that is neither; what was expected.
pub fn span_end(text: &str) -> Result<Timestamp, String> {
    day(text).map_or_else(|| span_start(text), |day| Ok(day.plus(DAY)))
}

fn day(text: &str) -> Option<Timestamp> {
    rfc3339::parse(&format!("{text}T00:00:00Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_meant_as_a_whole() {
        let at = |text| rfc3339::parse(text).unwrap();
        assert_eq!(span_start("2026-02-28"), Ok(at("2026-02-28T00:00:00Z")));
        assert_eq!(span_end("2026-02-28"), Ok(at("2026-03-01T00:00:00Z")));
        let moment = "2026-02-28T08:00:00+02:00";
        assert_eq!(
            (span_start(moment), span_end(moment)),
            (Ok(at("2026-02-28T06:00:00Z")), Ok(at("2026-02-28T06:00:00Z")))
        );
        for wrong in ["", "today", "2026-02", "2026-02-28T", "2026-13-01"] {
            assert!(span_start(wrong).is_err() && span_end(wrong).is_err(), "{wrong}");
        }
    }
}
