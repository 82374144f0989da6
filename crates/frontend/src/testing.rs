//! Pieces for the layers' own tests.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::{BodyExt as _, Full};

use crate::body::Answer;
use crate::context::RequestContext;
use crate::routes::Routes;

/// The table of all dialects.
pub(crate) fn routes() -> Arc<Routes> {
    Arc::new(Routes::new(translation::DIALECTS).unwrap())
}

/// An empty request that has passed the `request_id` layer.
pub(crate) fn named(method: &str, path: &str) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path).body(Full::default()).unwrap();
    request.extensions_mut().insert(RequestContext::new(HeaderValue::from_static("test")));
    request
}

/// An empty request that has passed the `match_dialect` layer too.
pub(crate) fn matched(method: &str, path: &str) -> Request<Full<Bytes>> {
    let request = named(method, path);
    RequestContext::of(&request).set_matched(routes().find(
        request.method(),
        request.uri(),
        request.headers(),
    ));
    request
}

/// The body of a reply.
pub(crate) async fn bytes(answer: Answer) -> Bytes {
    answer.into_body().collect().await.unwrap().to_bytes()
}
