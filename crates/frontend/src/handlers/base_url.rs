//! Where a client reaches this gateway, for the links in its reply.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, header};

/// Longer names of hosts do not exist.
const HOST_BYTES_MAX: usize = 255 + ":65535".len();

/// How links begin. Cheap to clone.
#[derive(Clone)]
pub(crate) struct BaseUrl(Arc<Source>);

struct Source {
    public_url: Option<String>,
    scheme: &'static str,
    listen: SocketAddr,
}

impl BaseUrl {
    /// Links begin with `public_url`; without one with the host that the client asked for, and if that makes no sense
    /// with the address that we listen on.
    pub(crate) fn new(public_url: Option<&str>, is_tls: bool, listen: SocketAddr) -> Self {
        Self(Arc::new(Source {
            public_url: public_url.map(|url| url.trim_end_matches('/').to_owned()),
            scheme: if is_tls { "https" } else { "http" },
            listen,
        }))
    }

    /// The beginning of links in the reply to `request`, without a trailing slash.
    pub(crate) fn of<B>(&self, request: &Request<B>) -> String {
        let Source { public_url, scheme, listen } = &*self.0;
        if let Some(url) = public_url {
            return url.clone();
        }
        match host(request) {
            Some(host) => format!("{scheme}://{host}"),
            None => format!("{scheme}://{listen}"),
        }
    }
}

/// The host that was asked for, if it is one: it is copied into links.
fn host<B>(request: &Request<B>) -> Option<&str> {
    let asked = match request.uri().authority() {
        Some(authority) => authority.as_str(),
        None => request.headers().get(header::HOST)?.to_str().ok()?,
    };
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    let is_sane = (1..=HOST_BYTES_MAX).contains(&asked.len()) && asked.bytes().all(plain);
    is_sane.then_some(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(public_url: Option<&str>, uri: &str, host: &'static str) -> String {
        let request = Request::builder().uri(uri).header(header::HOST, host).body(()).unwrap();
        BaseUrl::new(public_url, true, "127.0.0.1:8080".parse().unwrap()).of(&request)
    }

    #[test]
    fn the_operators_url_wins_over_what_was_asked_for() {
        assert_eq!(base(Some("https://gateway.example/"), "/x", "other.example"), "https://gateway.example");
    }

    #[test]
    fn without_it_the_client_gets_back_the_host_that_it_knows() {
        assert_eq!(base(None, "/x", "media.example:8443"), "https://media.example:8443");
        assert_eq!(base(None, "/x", "[::1]:8080"), "https://[::1]:8080");
        assert_eq!(base(None, "https://h2.example/x", "other.example"), "https://h2.example");
    }

    #[test]
    fn what_is_no_host_does_not_get_into_links() {
        for strange in ["", "a b", "a/b", "user@host", "a?b", "a\"b", "a,b"] {
            assert_eq!(base(None, "/x", strange), "https://127.0.0.1:8080", "{strange:?}");
        }
    }
}
