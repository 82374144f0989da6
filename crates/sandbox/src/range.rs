//! Reads the `Range` header (RFC 9110, section 14). Pure. One range at most: several get the whole, as the RFC allows.

/// The part of a body that a client gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    /// From the first byte to the last, both included.
    Bytes {
        first: usize,
        last: usize,
    },
    Unsatisfiable,
}

/// The part that `header` asks of a body of `length` bytes. What is not understood gets the whole.
pub(crate) fn part_of(header: Option<&str>, length: usize) -> Part {
    let Some((from, to)) =
        header.and_then(|text| text.strip_prefix("bytes=")).and_then(|text| text.split_once('-'))
    else {
        return Part::Whole;
    };
    let last = length.saturating_sub(1);
    match (from.trim().parse::<usize>(), to.trim().parse::<usize>()) {
        (Ok(first), Ok(to)) if first <= to && first < length => Part::Bytes { first, last: to.min(last) },
        (Ok(first), Ok(to)) if first <= to => Part::Unsatisfiable,
        (Ok(first), Err(_)) if to.trim().is_empty() && first < length => Part::Bytes { first, last },
        (Ok(_), Err(_)) if to.trim().is_empty() => Part::Unsatisfiable,
        (Err(_), Ok(0)) if from.trim().is_empty() => Part::Unsatisfiable,
        (Err(_), Ok(count)) if from.trim().is_empty() && length > 0 => {
            Part::Bytes { first: length.saturating_sub(count), last }
        }
        _ => Part::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_cut_to_the_body() {
        assert_eq!(part_of(Some("bytes=0-9"), 100), Part::Bytes { first: 0, last: 9 });
        assert_eq!(part_of(Some("bytes=90-"), 100), Part::Bytes { first: 90, last: 99 });
        assert_eq!(part_of(Some("bytes=90-500"), 100), Part::Bytes { first: 90, last: 99 });
        assert_eq!(part_of(Some("bytes=-10"), 100), Part::Bytes { first: 90, last: 99 });
        assert_eq!(part_of(Some("bytes=-500"), 100), Part::Bytes { first: 0, last: 99 });
    }

    #[test]
    fn a_range_behind_the_end_is_refused() {
        assert_eq!(part_of(Some("bytes=100-"), 100), Part::Unsatisfiable);
        assert_eq!(part_of(Some("bytes=100-120"), 100), Part::Unsatisfiable);
        assert_eq!(part_of(Some("bytes=-0"), 100), Part::Unsatisfiable);
    }

    #[test]
    fn what_is_not_understood_gets_the_whole() {
        for header in [
            None,
            Some("bytes=9-0"),
            Some("bytes=0-1,5-6"),
            Some("lines=0-1"),
            Some("bytes=a-b"),
            Some("bytes=-"),
        ] {
            assert_eq!(part_of(header, 100), Part::Whole, "{header:?}");
        }
    }
}
