//! Finds out who calls, before anything of the body is read, so that strangers cannot make us hold their bytes.

use std::task::{Context, Poll};

use domain::{Failure, FailureKind};
use http::{HeaderMap, Request, header};
use tasks::Keyring;
use tower::{Layer, Service};

use super::BoxFuture;
use crate::body::Answer;
use crate::context::RequestContext;

/// The layer.
#[derive(Clone)]
pub(crate) struct AuthenticateLayer {
    keyring: Keyring,
}

/// The service.
#[derive(Clone)]
pub(crate) struct Authenticate<S> {
    inner: S,
    keyring: Keyring,
}

impl AuthenticateLayer {
    /// Knows the keys of `keyring`.
    pub(crate) fn new(keyring: Keyring) -> Self {
        Self { keyring }
    }
}

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticate<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authenticate { inner, keyring: self.keyring.clone() }
    }
}

impl<S, B> Service<Request<B>> for Authenticate<S>
where
    S: Service<Request<B>, Response = Answer, Error = Failure, Future: Send> + Clone + Send + 'static,
    B: Send + 'static,
{
    type Response = Answer;
    type Error = Failure;
    type Future = BoxFuture<Answer, Failure>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // Nothing further in makes callers wait, so a clone is as ready as the original.
        let mut inner = self.inner.clone();
        let keyring = self.keyring.clone();
        Box::pin(async move {
            let context = RequestContext::of(&request);
            if !context.matched().is_public() {
                let client = keyring.authenticate(bearer(request.headers())?).await?;
                context.set_client(client);
            }
            inner.call(request).await
        })
    }
}

/// The key that the client presents. Two are refused: a proxy before us may have looked at the other one.
fn bearer(headers: &HeaderMap) -> Result<&str, Failure> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(only), None) = (all.next(), all.next()) else { return Err(refused()) };
    let text = only.to_str().map_err(|_| refused())?;
    let (scheme, key) = text.split_once(' ').ok_or_else(refused)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(refused());
    }
    Ok(key.trim_matches(' '))
}

/// The same words as for a wrong key.
fn refused() -> Failure {
    Failure::new(FailureKind::Unauthorized, "missing or invalid API key")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presented(values: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        bearer(&headers).ok().map(str::to_owned)
    }

    #[test]
    fn a_key_comes_once_as_a_bearer() {
        for good in ["Bearer key", "bearer key", "BEARER  key "] {
            assert_eq!(presented(&[good]).as_deref(), Some("key"), "{good}");
        }
        for bad in
            [&[][..], &["Bearer a", "Bearer a"], &["key"], &["Basic key"], &["Bearer\tkey"], &["Bearer"]]
        {
            assert_eq!(presented(bad), None, "{bad:?}");
        }
    }
}
