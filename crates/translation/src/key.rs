//! Finds a client's key in the headers of its request.

use http::{HeaderMap, header};

/// The key behind one of `schemes` in `Authorization`.
pub(crate) fn in_authorization<'a>(headers: &'a HeaderMap, schemes: &[&str]) -> Option<&'a str> {
    let (scheme, key) = only(headers, header::AUTHORIZATION.as_str())?.split_once(' ')?;
    schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known)).then(|| key.trim_matches(' '))
}

/// The text of a header that is there once. Two are no key: a proxy before us may have looked at the other one.
pub(crate) fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (Some(only), None) => only.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presented(values: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        in_authorization(&headers, &["Bearer", "Key"]).map(str::to_owned)
    }

    #[test]
    fn a_key_comes_once_behind_a_known_scheme() {
        for good in ["Bearer key", "bearer key", "BEARER  key ", "Key key", "key key"] {
            assert_eq!(presented(&[good]).as_deref(), Some("key"), "{good}");
        }
        for bad in
            [&[][..], &["Bearer a", "Bearer a"], &["key"], &["Basic key"], &["Bearer\tkey"], &["Bearer"]]
        {
            assert_eq!(presented(bad), None, "{bad:?}");
        }
    }
}
