//! Messages to servers that clients named.

use std::time::Duration;

use bytes::Bytes;
use domain::with_sources;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};

use crate::Upstream;
use crate::named::{LISTENER, PLAIN_LISTENER};
use crate::send::USER_AGENT;

/// What is read of an answer, so that its connection ends in order; nobody looks at it.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

impl Upstream {
    /// The host of a URL that a client named, with its port; or why no message can go there, for the client. Only what
    /// can be told from the URL is checked: names are resolved, and every address vetted, when a message is sent.
    pub fn check_listener(&self, url: &str, allow_http: bool) -> Result<String, &'static str> {
        let url = self.guard.read(url, if allow_http { PLAIN_LISTENER } else { LISTENER })?;
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
        failpoints::pass("delivery_sending");
        let asking = async {
            let response = self.guarded.request(request).await.map_err(|error| with_sources(&error))?;
            failpoints::pass("delivery_answered");
            let (parts, body) = response.into_parts();
            let _nobody_looks = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            Ok(parts.status)
        };
        tokio::time::timeout(timeout, asking)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {timeout:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    #[test]
    fn what_a_url_shows_is_refused_before_anything_is_made() {
        let settings = Settings {
            connect_timeout: Duration::from_secs(1),
            reply_bytes_max: 1,
            idle_per_host_max: 1,
            allow: vec!["10.1.0.0/16".parse().unwrap()],
        };
        let upstream = Upstream::new(settings);
        let host = |url: &str| upstream.check_listener(url, false);
        assert_eq!(host("https://Example.com/done?x=1"), Ok("example.com:443".to_owned()));
        assert_eq!(host("https://10.1.2.3:8443/"), Ok("10.1.2.3:8443".to_owned()));
        assert_eq!(upstream.check_listener("http://example.com/", true), Ok("example.com:80".to_owned()));
        for refused in [
            "",
            "example.com",
            "http://example.com/",
            "ftp://example.com/",
            "https://u:p@example.com/",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest",
            "https://10.2.0.1/",
        ] {
            assert!(host(refused).is_err(), "{refused}");
        }
        assert!(host(&format!("https://example.com/{}", "x".repeat(2048))).is_err());
    }
}
