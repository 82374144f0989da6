//! Messages to servers that clients named.

use std::time::Duration;

use bytes::Bytes;
use domain::with_sources;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use tracing::Instrument as _;

use crate::Upstream;
use crate::named::{LISTENER, PLAIN_LISTENER};
use crate::send::USER_AGENT;
use crate::traced;

/// What is read of an answer, so that its connection ends in order; nobody looks at it.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Why no message may go to a URL, in words for its client: of the text that it sent, and of nothing that we looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not allowed: {0}")]
pub struct NotAllowed(&'static str);

impl Upstream {
    /// The host of a URL that a client named, with its port; or why no message can go there, for the client. Only what
    /// can be told from the URL is checked: names are resolved, and every address vetted, when a message is sent.
    pub fn check_listener(&self, url: &str, allow_http: bool) -> Result<String, NotAllowed> {
        let rule = if allow_http { PLAIN_LISTENER } else { LISTENER };
        let url = self.guard.read(url, rule).map_err(NotAllowed)?;
        let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443));
        Ok(format!("{host}:{port}"))
    }

    /// Posts `body` to a URL that a client named; the status of the answer, or why there is none. No redirect is
    /// followed, and only public addresses are called, and what the operator allows besides.
    pub async fn notify(
        &self,
        url: &str,
        headers: HeaderMap,
        body: Bytes,
        timeout: Duration,
    ) -> Result<StatusCode, String> {
        let url = self.guard.read(url, PLAIN_LISTENER).map_err(|reason| format!("the URL {reason}"))?;
        let uri = url.as_str().parse().map_err(|error| format!("the URL is malformed: {error}"))?;
        let mut request = Request::new(Full::new(body).map_err(|never| match never {}).boxed_unsync());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        request.headers_mut().insert(header::USER_AGENT, USER_AGENT);
        let span = traced::span(request.method(), request.uri());
        if self.propagation.to_listeners {
            traced::tell_listener(&span, request.headers_mut());
        }
        failpoints::pass("delivery_sending");
        let asking = async {
            let response = self.guarded.request(request).await.map_err(|error| with_sources(&error))?;
            failpoints::pass("delivery_answered");
            let (parts, body) = response.into_parts();
            let _nobody_looks = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            Ok(parts.status)
        };
        let answered = tokio::time::timeout(timeout, asking.instrument(span.clone())).await;
        let outcome = match &answered {
            Ok(Ok(status)) => Ok(*status),
            Ok(Err(_)) => Err("unanswered"),
            Err(_elapsed) => Err("timeout"),
        };
        traced::note(&span, outcome);
        answered.unwrap_or_else(|_elapsed| Err(format!("no answer within {timeout:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    fn way_out() -> Upstream {
        Upstream::new(Settings {
            connect_timeout: Duration::from_secs(1),
            reply_bytes_max: 1,
            idle_per_host_max: 1,
            allow: vec!["10.1.0.0/16".parse().unwrap()],
        })
    }

    #[test]
    fn what_a_url_shows_is_told_before_anything_is_made() {
        let upstream = way_out();
        let host = |url: &str| upstream.check_listener(url, false);
        assert_eq!(host("https://Example.com/done?x=1"), Ok("example.com:443".to_owned()));
        assert_eq!(host("https://10.1.2.3:8443/"), Ok("10.1.2.3:8443".to_owned()));
        assert_eq!(upstream.check_listener("http://example.com/", true), Ok("example.com:80".to_owned()));
        let refused = host("https://10.2.0.1/").unwrap_err();
        assert_eq!(refused.to_string(), "not allowed: must be a public address");
        let refusals: Vec<_> = upstream.refusals().filter(|(_, count)| *count > 0).collect();
        assert_eq!(refusals, [("callback_url", 1)]);
    }

    /// What was good when it was stored need not be good when it is sent.
    #[tokio::test]
    async fn a_url_is_read_again_at_each_try() {
        let upstream = way_out();
        for url in
            ["", "ftp://example.com/", "https://2130706433/", "https://10.2.0.1/", "https://u@example.com/"]
        {
            let sent = upstream.notify(url, HeaderMap::new(), Bytes::new(), Duration::from_secs(5)).await;
            assert!(sent.as_ref().is_err_and(|reason| reason.starts_with("the URL ")), "{url}: {sent:?}");
        }
    }
}
