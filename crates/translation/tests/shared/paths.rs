//! Which path has the form of which pattern, for tests that have no router.

use percent_encoding::percent_decode_str;
use translation::PathParams;

/// The parameters of `path`, percent-decoded, if it has the form of `pattern`: `/a/{b}`, `/a/{b}:verb`.
pub(crate) fn match_path(pattern: &str, path: &str) -> Option<PathParams> {
    let mut params = PathParams::default();
    let (mut wanted, mut found) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return Some(params),
            (Some(wanted), Some(found)) => match wanted.split_once('{') {
                Some((before, rest)) => {
                    let (name, after) = rest.split_once('}')?;
                    let value = found.strip_prefix(before)?.strip_suffix(after)?;
                    if value.is_empty() {
                        return None;
                    }
                    let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
                    params.0.push((name.to_owned(), value));
                }
                None if wanted == found => {}
                None => return None,
            },
            _ => return None,
        }
    }
}

#[test]
fn a_path_has_the_form_of_its_pattern() {
    let found = |pattern, path| match_path(pattern, path).map(|params| params.0);
    let param = |name: &str, value: &str| Some(vec![(name.to_owned(), value.to_owned())]);
    assert_eq!(found("/a/{b}", "/a/x%2Fy"), param("b", "x/y"));
    assert_eq!(found("/a/{b}:verb", "/a/x:verb"), param("b", "x"));
    assert_eq!(found("/a", "/a"), Some(Vec::new()));
    for (pattern, path) in [("/a/{b}", "/a"), ("/a/{b}", "/a/"), ("/a/{b}:verb", "/a/x"), ("/a", "/b")] {
        assert_eq!(found(pattern, path), None, "{pattern} {path}");
    }
}
