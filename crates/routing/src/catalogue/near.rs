//! Models whose names are nearly the one that was asked for.

use domain::ModelSpec;

/// How many are offered at most.
const NAMES_MAX: usize = 3;
/// The longest name, in bytes, that is compared: it bounds the work that a hostile name can cause.
const LENGTH_MAX: usize = 64;

/// The names of those of `models` whose names or other names are near to `name`, the nearest first, and of equally near ones
/// those first that clients need not leave.
pub(super) fn names<'a>(name: &str, models: impl Iterator<Item = &'a ModelSpec>) -> Vec<&'a str> {
    if name.len() > LENGTH_MAX {
        return Vec::new();
    }
    let lower = name.to_lowercase();
    let mut near: Vec<(usize, bool, &str)> = models
        .filter_map(|spec| {
            let known = std::iter::once(&spec.name).chain(&spec.aliases);
            let distance = known.filter_map(|known| distance_if_near(&lower, known)).min()?;
            Some((distance, spec.deprecated, spec.name.as_str()))
        })
        .collect();
    near.sort_unstable();
    near.into_iter().take(NAMES_MAX).map(|(.., name)| name).collect()
}

fn distance_if_near(asked: &str, known: &str) -> Option<usize> {
    let most = 2.max(known.len() / 3);
    // The distance is never less than the difference of the lengths, which costs nothing.
    let may_be_near = asked.len().abs_diff(known.len()) <= most;
    may_be_near.then(|| edit_distance(asked, known)).filter(|distance| *distance <= most)
}

/// The Levenshtein distance in bytes, one row at a time.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, byte_a) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, byte_b) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(byte_a != byte_b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use domain::Scope;

    use super::*;

    #[test]
    fn edit_distance_counts_edits() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("abc", "abc"), 0);
    }

    #[test]
    fn of_equally_near_names_those_that_are_to_stay_come_first() {
        let old = ModelSpec { deprecated: true, ..ModelSpec::new("veo2", Scope::Videos) };
        let new = ModelSpec::new("veo9", Scope::Videos);
        assert_eq!(names("VEO", [&old, &new].into_iter()), ["veo9", "veo2"]);
        assert!(names("kling", [&old, &new].into_iter()).is_empty());
    }
}
