//! In every API: which accounts a new task may go to, in which order, and what it may cost.

use domain::{Failure, Preference};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Its value is read by [`Preference::parse`]. No upstream ever sees it.
const ROUTE: HeaderName = HeaderName::from_static("x-filmgate-route");

/// What the client wants by the header, and by the fields of its own API besides. Where both say something, the header's
/// order counts and the tighter bounds do.
pub(super) fn preference(headers: &HeaderMap, by_fields: Preference) -> Result<Preference, Failure> {
    let refused =
        |problem: &dyn std::fmt::Display| Failure::invalid(ROUTE.as_str(), format!("{ROUTE}: {problem}"));
    let lines: Result<Vec<&str>, _> = headers.get_all(ROUTE).iter().map(HeaderValue::to_str).collect();
    let lines = lines.map_err(|_not_ascii| refused(&"must be visible ASCII"))?;
    if lines.is_empty() {
        return Ok(by_fields);
    }
    // Several lines of one name are one list (RFC 9110, section 5.3).
    let by_header = Preference::parse(&lines.join(",")).map_err(|wrong| refused(&wrong))?;
    Ok(by_header.within(&by_fields))
}

#[cfg(test)]
mod tests {
    use domain::{FailureKind, Strategy};

    use super::*;

    fn said(lines: &[&'static [u8]], by_fields: Preference) -> Result<Preference, Failure> {
        let lines = lines.iter().map(|line| (ROUTE, HeaderValue::from_bytes(line).unwrap()));
        preference(&lines.collect(), by_fields)
    }

    #[test]
    fn the_header_counts_before_the_fields_and_adds_to_them() {
        assert_eq!(said(&[], Preference::official()).unwrap(), Preference::official());
        let both = said(&[b"fastest", b"region=eu"], Preference::ordered(Strategy::Cheapest)).unwrap();
        assert_eq!(both, Preference::parse("fastest, region=eu").unwrap());
        let both = said(&[b"price_max=1"], Preference::official()).unwrap();
        assert_eq!(both, Preference::parse("official, price_max=1").unwrap());
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_its_name() {
        for lines in [&[&b"cheap"[..]][..], &[b"fastest", b"fastest"], &[b""], &[b"region=\xff"]] {
            let failure = said(lines, Preference::default()).unwrap_err();
            assert_eq!(failure.kind, FailureKind::InvalidRequest);
            assert_eq!(failure.field.as_deref(), Some("x-filmgate-route"));
            assert!(failure.public.starts_with("x-filmgate-route: "), "{failure}");
        }
    }
}
