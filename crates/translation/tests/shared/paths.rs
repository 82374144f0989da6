//! Which path has the form of which pattern, for tests that have no router.

use percent_encoding::percent_decode_str;
use translation::PathParams;

/// The parameters of `path`, percent-decoded, if it has the form of `pattern`: `/a/{b}`, `/a/{b}:verb`, `/a/{*rest}`.
pub(crate) fn match_path(pattern: &str, path: &str) -> Option<PathParams> {
    let mut params = PathParams::default();
    let (mut wanted, mut found) = (pattern.split('/'), path.split('/'));
    loop {
        let (wanted, found) = match (wanted.next(), found.next()) {
            (None, None) => return Some(params),
            (Some(wanted), Some(first)) if wanted.starts_with("{*") => {
                let rest = [first].into_iter().chain(found.by_ref()).collect::<Vec<_>>().join("/");
                (wanted, rest)
            }
            (Some(wanted), Some(found)) => (wanted, found.to_owned()),
            _ => return None,
        };
        let Some((before, rest)) = wanted.split_once('{') else {
            if wanted == found {
                continue;
            }
            return None;
        };
        let (name, after) = rest.split_once('}')?;
        let value = found.strip_prefix(before)?.strip_suffix(after)?;
        if value.is_empty() {
            return None;
        }
        let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
        params.0.push((name.trim_start_matches('*').to_owned(), value));
    }
}

#[test]
fn a_path_has_the_form_of_its_pattern() {
    let found = |pattern, path| match_path(pattern, path).map(|params| params.0);
    let param = |name: &str, value: &str| Some(vec![(name.to_owned(), value.to_owned())]);
    assert_eq!(found("/a/{b}", "/a/x%2Fy"), param("b", "x/y"));
    assert_eq!(found("/a/{b}:verb", "/a/x:verb"), param("b", "x"));
    assert_eq!(found("/a/{*b}", "/a/x/y"), param("b", "x/y"));
    assert_eq!(found("/a", "/a"), Some(Vec::new()));
    for (pattern, path) in [("/a/{b}", "/a"), ("/a/{b}", "/a/"), ("/a/{b}:verb", "/a/x"), ("/a", "/b")] {
        assert_eq!(found(pattern, path), None, "{pattern} {path}");
    }
}
