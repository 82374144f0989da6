//! Moments as some APIs write them: `2026-11-21T15:58:10.123Z`.

/// The months' lengths in a year that is no leap year.
const MONTHS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// The last year that is read.
const YEAR_MAX: u64 = 9999;

/// The text of a moment in milliseconds since 1970.
pub(crate) fn encode(ms: u64) -> String {
    let (mut days, ms) = (ms / DAY_MS, ms % DAY_MS);
    let mut year = 1970;
    while days >= days_of(year) {
        days -= days_of(year);
        year += 1;
    }
    let mut month = 1;
    while days >= days_in(year, month) {
        days -= days_in(year, month);
        month += 1;
    }
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", days + 1, ms % 1000)
}

/// The milliseconds since 1970 of such a text, with or without a fraction; `None` if it is none.
pub(crate) fn decode(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (whole, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let numbers = |text: &str, separator| -> Option<Vec<u64>> {
        text.split(separator).map(|number| number.parse().ok()).collect()
    };
    let (date, time) = (numbers(date, '-')?, numbers(whole, ':')?);
    let (&[year, month, day], &[hour, minute, second]) = (&date[..], &time[..]) else { return None };
    if !(1970..=YEAR_MAX).contains(&year)
        || !(1..=12).contains(&month)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    let month_days = (1..month).map(|month| days_in(year, month)).sum::<u64>();
    let days =
        (1970..year).map(days_of).sum::<u64>() + month_days + day.checked_sub(1).filter(|day| *day < 31)?;
    let milliseconds: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    Some(days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 + milliseconds)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

/// Of a month from 1 to 12.
fn days_in(year: u64, month: u64) -> u64 {
    let is_longer = month == 2 && is_leap(year);
    let index = usize::try_from(month - 1).expect("at most 11");
    MONTHS[index] + u64::from(is_longer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_and_read() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_790_000_000_000, "2026-09-21T14:13:20.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(encode(ms), text);
            assert_eq!(decode(text), Some(ms), "{text}");
        }
        assert_eq!(decode("2026-09-21T14:13:20Z"), Some(1_790_000_000_000));
        assert_eq!(decode("2026-09-21T14:13:20.5Z"), Some(1_790_000_000_500));
        for text in
            ["", "2026-09-21", "2026-13-21T14:13:20Z", "2026-09-21T14:13:20", "2026-09-00T14:13:20Z", "x"]
        {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
