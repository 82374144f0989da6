//! Reads metrics in Prometheus' text form.

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
}
