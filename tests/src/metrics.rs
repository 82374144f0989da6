//! Reads metrics in Prometheus' text form.

use std::collections::BTreeMap;

/// All that one name tells.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Family {
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// What it is.
    pub help: String,
    /// Its series: labels without `le`, with their values. A histogram's are those of its count.
    pub series: Vec<BTreeMap<String, String>>,
}

/// The sum of all series of `name` that have all of these labels; 0 if there is none.
pub fn sum(text: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
    let series = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let (found, value) = match rest.strip_prefix('{') {
            Some(rest) => rest.rsplit_once("} ")?,
            None => ("", rest.strip_prefix(' ')?),
        };
        let found: Vec<&str> = found.split(',').collect();
        labels.iter().all(|label| found.contains(&label.as_str())).then(|| value.parse::<f64>().ok())?
    });
    series.sum()
}

/// All families, by name.
///
/// # Panics
/// If the text is not in that form, or a name comes twice. Values of labels must be plain: without commas and quotes.
pub fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap_or((rest, ""));
            let family = Family { help: help.to_owned(), ..Family::default() };
            assert_eq!(families.insert(name.to_owned(), family), None, "{name} comes twice");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or_else(|| panic!("no type: {line}"));
            families.entry(name.to_owned()).or_default().kind = kind.to_owned();
        } else if let Some((name, labels)) = series(line) {
            let of_histogram = name
                .strip_suffix("_count")
                .filter(|name| families.get(*name).is_some_and(|family| family.kind == "histogram"));
            if let Some(family) = families.get_mut(of_histogram.unwrap_or(name)) {
                family.series.push(labels);
            }
        }
    }
    families
}

fn series(line: &str) -> Option<(&str, BTreeMap<String, String>)> {
    let (series, _value) = line.rsplit_once(' ')?;
    let Some((name, labels)) = series.split_once('{') else { return Some((series, BTreeMap::new())) };
    let labels = labels.strip_suffix('}')?.split(',').filter(|label| !label.is_empty());
    let pair = |label: &str| {
        let (name, value) = label.split_once('=')?;
        Some((name.to_owned(), value.trim_matches('"').to_owned()))
    };
    Some((name, labels.map(pair).collect::<Option<_>>().unwrap_or_else(|| panic!("no labels: {line}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "# TYPE a counter\na{x=\"1\",y=\"2\"} 3\na{x=\"1\",y=\"3\"} 4\na_b 5\na{x=\"2\",y=\"2\"} 8\n";

    #[test]
    fn series_are_summed_by_label() {
        assert_eq!(sum(TEXT, "a", &[]), 15.0);
        assert_eq!(sum(TEXT, "a", &[("x", "1")]), 7.0);
        assert_eq!(sum(TEXT, "a", &[("y", "2"), ("x", "1")]), 3.0);
        assert_eq!(sum(TEXT, "a_b", &[]), 5.0);
        assert_eq!(sum(TEXT, "c", &[]), 0.0);
    }

    #[test]
    fn families_have_type_help_and_series() {
        let text = "# HELP a Of a kind.\n# TYPE a counter\na{x=\"1\"} 3\na{x=\"2\"} 4\n# HELP b Long.\n# TYPE b histogram\n\
                    b_bucket{le=\"1\"} 1\nb_sum 1\nb_count 1\n";
        let families = families(text);
        assert_eq!((families["a"].kind.as_str(), families["a"].help.as_str()), ("counter", "Of a kind."));
        assert_eq!(families["a"].series[1]["x"], "2");
        assert_eq!(families["b"].series, [BTreeMap::new()]);
    }
}
