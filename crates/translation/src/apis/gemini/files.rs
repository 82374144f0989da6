//! The addresses of results: Google's clients cut a file's name out of an address, and take only lower case letters and
//! digits for it.

use domain::TaskId;

/// Where the hyphens of a task's id stand (RFC 9562).
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
/// Digits of an id without them.
const DIGITS: usize = 32;

/// The name of the result number `index` of a task: the digits of its id, then the number.
pub(super) fn name(task: &TaskId, index: usize) -> String {
    format!("{}{index}", task.as_str().replace('-', ""))
}

/// The URL of a file on a gateway that is reached at `base_url` (no trailing slash).
pub(super) fn url(base_url: &str, name: &str) -> String {
    format!("{base_url}/v1beta/files/{name}:download?alt=media")
}

/// The task and the number of a result, by its name.
pub(super) fn parse(name: &str) -> Option<(TaskId, usize)> {
    let (digits, index) = name.split_at_checked(DIGITS)?;
    let index = index.parse().ok()?;
    let mut id = String::new();
    for digit in digits.chars() {
        if HYPHENS.contains(&id.len()) {
            id.push('-');
        }
        id.push(digit);
    }
    Some((TaskId::new(id), index))
}

/// The name in what is asked for: `name:download`, or the address that ends so.
pub(super) fn name_in(asked: &str) -> Option<&str> {
    let (_, file) = asked.rsplit_once('/').unwrap_or(("", asked));
    file.split('?').next()?.strip_suffix(":download")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_result() {
        let id = TaskId::new("019353f0-8d4e-7c1a-9e65-0a1b2c3d4e5f");
        let name = name(&id, 12);
        assert_eq!(name, "019353f08d4e7c1a9e650a1b2c3d4e5f12");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()));
        assert_eq!(parse(&name), Some((id, 12)));
        for asked in [url("https://gateway.example", &name), format!("{name}:download")] {
            assert_eq!(name_in(&asked), Some(name.as_str()), "{asked}");
        }
    }

    #[test]
    fn what_is_no_name_leads_nowhere() {
        for asked in ["", "name", "name:upload", "files/name", ":download/name"] {
            assert_eq!(name_in(asked), None, "{asked}");
        }
        for name in ["", "0", "019353f08d4e7c1a9e650a1b2c3d4e5f", "019353f08d4e7c1a9e650a1b2c3d4e5fx"] {
            assert_eq!(parse(name), None, "{name}");
        }
        assert_eq!(parse("ääääääääääääääää1").map(|(_, index)| index), Some(1), "no id, but no panic");
    }
}
