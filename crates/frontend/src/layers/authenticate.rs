//! Finds out who calls, before anything of the body is read, so that strangers cannot make us hold their bytes.

use std::task::{Context, Poll};

use domain::{Failure, FailureKind};
use http::Request;
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
            let matched = context.matched();
            if !matched.is_public() {
                let key = matched.dialect.key_in(request.headers()).ok_or_else(refused)?;
                let client = keyring.authenticate(key).await?;
                if let Some(dialect) = &client.dialect {
                    context.prefer(dialect);
                }
                context.set_client(client);
            }
            inner.call(request).await
        })
    }
}

/// The same words as for a wrong key.
fn refused() -> Failure {
    Failure::new(FailureKind::Unauthorized, "missing or invalid API key")
}
