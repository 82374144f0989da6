//! The nearest name to one that does not exist: "did you mean ...?".

/// `; did you mean "listen"?` if one of `names` is near to `wrong`, else nothing.
pub(crate) fn suggestion<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let length = wrong.chars().count();
    let limit = length.div_ceil(4).min(length.saturating_sub(1));
    names
        .into_iter()
        .map(|name| (distance(wrong, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map_or_else(String::new, |(_, name)| format!("; did you mean \"{name}\"?"))
}

/// How many insertions, deletions and replacements lead from `a` to `b`, without regard to case.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_name_is_suggested() {
        let names = ["listen", "tls", "public_url"];
        assert_eq!(suggestion("lisen", names), "; did you mean \"listen\"?");
        assert_eq!(suggestion("Public_URL", names), "; did you mean \"public_url\"?");
        assert_eq!(suggestion("colour", names), "");
        assert_eq!(suggestion("x", ["a"]), "");
    }
}
