//! Lets scripts of other origins call: browsers ask first, and read only the headers that they are shown.

use std::time::Duration;

use domain::LimitStatus;
use http::{HeaderName, HeaderValue, header};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

use super::access_log::TRACERESPONSE;
use super::request_id::REQUEST_ID;
use crate::handlers::PREFERENCE_APPLIED;

/// How long a browser need not ask again; the longest that Chromium believes.
const MAX_AGE: Duration = Duration::from_secs(7200);

/// An origin that cannot stand in a header.
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is no origin")]
pub struct BadOrigin(String);

/// The layer for these origins; `*` is all. What a script asks to send it may send: keys come in a header that no
/// browser adds by itself, so there is nothing that a foreign site could borrow. A wildcard would not do, because it
/// does not cover `Authorization`.
pub(crate) fn layer(origins: &[String]) -> Result<CorsLayer, BadOrigin> {
    let origin = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        let parse = |origin: &String| HeaderValue::from_str(origin).map_err(|_| BadOrigin(origin.clone()));
        AllowOrigin::list(origins.iter().map(parse).collect::<Result<Vec<_>, _>>()?)
    };
    Ok(CorsLayer::new()
        .allow_origin(origin)
        .allow_methods(AllowMethods::mirror_request())
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(exposed())
        .max_age(MAX_AGE))
}

/// What scripts may read: the names that every dialect uses for its limits, and what HTTP itself says.
fn exposed() -> Vec<HeaderName> {
    let mut names = vec![
        REQUEST_ID,
        TRACERESPONSE,
        PREFERENCE_APPLIED,
        header::RETRY_AFTER,
        header::CONTENT_LENGTH,
        header::CONTENT_RANGE,
        header::ETAG,
    ];
    let status = LimitStatus { limit: 1, remaining: 1, reset_after: Duration::ZERO };
    for dialect in translation::DIALECTS {
        for (name, _) in dialect.rate_limit_headers(&status) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{HeaderMap, Request};
    use tower::{ServiceBuilder, ServiceExt as _, service_fn};

    use super::*;
    use crate::body::Answer;

    async fn ask(origins: &[&str], origin: &'static str, method: &str) -> HeaderMap {
        let origins: Vec<String> = origins.iter().map(|&origin| origin.to_owned()).collect();
        let inner = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Answer::default()) });
        let service = ServiceBuilder::new().layer(layer(&origins).unwrap()).service(inner);
        let request = Request::builder()
            .method(method)
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type")
            .body(())
            .unwrap();
        service.oneshot(request).await.unwrap().headers().clone()
    }

    #[tokio::test]
    async fn a_browser_may_send_a_key_from_an_allowed_origin() {
        for origins in [vec!["*"], vec!["https://a.example", "https://b.example"]] {
            let headers = ask(&origins, "https://b.example", "OPTIONS").await;
            assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_HEADERS], "authorization,content-type");
            assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_METHODS], "POST");
            assert!(headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
        }
        for origins in [vec![], vec!["https://a.example"]] {
            let headers = ask(&origins, "https://b.example", "OPTIONS").await;
            assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN), "{origins:?}");
        }
    }

    #[tokio::test]
    async fn scripts_can_read_what_they_need_to_pace_themselves() {
        let headers = ask(&["*"], "https://a.example", "GET").await;
        let exposed = headers[header::ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap();
        for name in ["x-request-id", "retry-after", "x-ratelimit-remaining-requests"] {
            assert!(exposed.contains(name), "{name} in {exposed}");
        }
    }

    #[test]
    fn what_cannot_be_an_origin_is_refused_at_the_start() {
        assert!(layer(&["https://a\n".to_owned()]).is_err());
    }
}
