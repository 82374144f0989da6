//! Moments as RFC 3339 writes them, in UTC: `2026-11-21T15:58:10.123Z`.

use domain::Timestamp;

const DAY_MS: i64 = 86_400_000;
/// Days in 400 years, after which the calendar repeats.
const ERA_DAYS: i64 = 146_097;
/// Days from the first of March of the year 0 to the Unix epoch.
const EPOCH_DAYS: i64 = 719_468;

/// The text of a moment, to the millisecond.
pub fn text(at: Timestamp) -> String {
    format!("{}.{:03}Z", whole(at), at.as_millis().rem_euclid(1000))
}

/// The text of a moment, to the second that it is in.
pub(crate) fn text_s(at: Timestamp) -> String {
    format!("{}Z", whole(at))
}

/// The moment of a text, with any fraction of a second and any offset; `None` if it is no such text.
pub fn parse(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_at_checked(10)?;
    let [year, month, day] = numbers(date, '-')?;
    let time = time.strip_prefix(['T', 't', ' '])?;
    let zone_at = time.rfind(['Z', 'z', '+', '-'])?;
    let (time, zone) = time.split_at(zone_at);
    let offset_minutes = match zone.split_at_checked(1)? {
        ("Z" | "z", "") => 0,
        (sign, offset) => {
            let [hours, minutes] = numbers(offset, ':')?;
            (hours * 60 + minutes) * if sign == "-" { -1 } else { 1 }
        }
    };
    let (whole, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hours, minutes, seconds] = numbers(whole, ':')?;
    let in_range = (1..=12).contains(&month) && (1..=31).contains(&day) && hours < 24 && minutes < 60;
    if !in_range || seconds > 60 || fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let thousandths: String = fraction.chars().chain("00".chars()).take(3).collect();
    let day_ms = ((hours * 60 + minutes - offset_minutes) * 60 + seconds) * 1000;
    let millis = days((year, month, day)) * DAY_MS + day_ms + thousandths.parse::<i64>().ok()?;
    Some(Timestamp::from_millis(millis))
}

/// Unsigned whole numbers of at most four digits.
fn numbers<const N: usize>(text: &str, separator: char) -> Option<[i64; N]> {
    let number = |part: &str| {
        let is_number = (1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| part.parse().ok()).flatten()
    };
    let numbers: Option<Vec<i64>> = text.split(separator).map(number).collect();
    numbers?.try_into().ok()
}

/// The number of a day, counted from the Unix epoch: the reverse of [`date`].
fn days((year, month, day): (i64, i64, i64)) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day = (153 * month + 2) / 5 + day - 1;
    era * ERA_DAYS + year * 365 + year / 4 - year / 100 + day - EPOCH_DAYS
}

/// Date and time without a fraction.
fn whole(at: Timestamp) -> String {
    let (days, ms) = (at.as_millis().div_euclid(DAY_MS), at.as_millis().rem_euclid(DAY_MS));
    let (year, month, day) = date(days);
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}")
}

/// Year, month and day of a day counted from the Unix epoch. Years are counted from March on, so that the leap day is
/// the last of its year.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH_DAYS;
    let (era, day) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // From March on, the months' lengths repeat every five months, which have 153 days.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carried) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + carried, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_utc() {
        for (ms, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_716_192_124_042, "2024-05-20T08:02:04.042Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(text(Timestamp::from_millis(ms)), expected);
            assert_eq!(parse(expected), Some(Timestamp::from_millis(ms)));
            assert_eq!(text_s(Timestamp::from_millis(ms)), format!("{}Z", &expected[..19]));
        }
    }

    #[test]
    fn every_day_of_400_years_follows_the_one_before() {
        let mut before = date(0);
        for days in 1..=ERA_DAYS {
            let after = date(days);
            let same_month = (before.0, before.1, before.2 + 1);
            let next_month = (before.0 + before.1 / 12, before.1 % 12 + 1, 1);
            assert!(after == same_month && after.2 <= 31 || after == next_month, "{before:?} {after:?}");
            assert_eq!(super::days(after), days);
            before = after;
        }
        assert_eq!(before, (2370, 1, 1));
    }

    #[test]
    fn moments_are_read_in_any_zone() {
        let millis = |text| parse(text).map(Timestamp::as_millis);
        for text in [
            "2024-05-20T08:02:04.042Z",
            "2024-05-20T08:02:04.042999Z",
            "2024-05-20 10:02:04.042+02:00",
            "2024-05-20t02:32:04.0420-05:30",
        ] {
            assert_eq!(millis(text), Some(1_716_192_124_042), "{text}");
        }
        assert_eq!(millis("1970-01-01T00:00:01Z"), Some(1_000));
        for text in [
            "",
            "2024-05-20",
            "2024-05-20T08:02:04",
            "2024-13-20T08:02:04Z",
            "2024-05-20T24:02:04Z",
            "2024-05-20T08:02:04.Z",
            "2024-05-20T08:02:04+2",
            "2024-05-2äT08:02:04Z",
            "yesterday",
            "1716192124",
        ] {
            assert_eq!(millis(text), None, "{text}");
        }
    }

    #[test]
    fn no_moment_is_too_far() {
        for ms in [i64::MIN, i64::MAX] {
            assert!(text(Timestamp::from_millis(ms)).ends_with('Z'));
        }
    }
}
