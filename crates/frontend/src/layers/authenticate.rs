//! Finds out who calls, before anything of the body is read, so that strangers cannot make us hold their bytes; and lets
//! nobody try many keys.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use domain::{Client, Failure, FailureKind};
use http::Request;
use limits::WrongKeys;
use tasks::Keyring;
use tower::{Layer, Service};

use super::BoxFuture;
use crate::body::Answer;
use crate::context::{Peer, RequestContext};

/// The layer.
#[derive(Clone)]
pub(crate) struct AuthenticateLayer {
    door: Arc<Door>,
}

/// The service.
#[derive(Clone)]
pub(crate) struct Authenticate<S> {
    inner: S,
    door: Arc<Door>,
}

/// Knows good keys, and who has shown too many others.
struct Door {
    keyring: Keyring,
    wrong_keys: WrongKeys,
}

impl AuthenticateLayer {
    /// Knows the keys of `keyring`, and counts others in `wrong_keys`.
    pub(crate) fn new(keyring: Keyring, wrong_keys: WrongKeys) -> Self {
        Self { door: Arc::new(Door { keyring, wrong_keys }) }
    }
}

impl Door {
    async fn authenticate(&self, key: &str, peer: Option<Peer>) -> Result<Client, Failure> {
        // Only the layers' own tests have requests that came from nowhere.
        let Some(Peer(address)) = peer else { return self.keyring.authenticate(key).await };
        self.wrong_keys.may_try(address, key).map_err(too_many)?;
        let client = self.keyring.authenticate(key).await;
        match &client {
            Ok(_) => self.wrong_keys.was_good(address, key),
            Err(failure) if failure.kind == FailureKind::Unauthorized => {
                self.wrong_keys.was_wrong(address).map_err(too_many)?;
            }
            Err(_nobody_can_say) => {}
        }
        client
    }
}

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticate<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authenticate { inner, door: Arc::clone(&self.door) }
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
        let door = Arc::clone(&self.door);
        Box::pin(async move {
            let context = RequestContext::of(&request);
            let matched = context.matched();
            if !matched.is_public() {
                let key = matched.dialect.key_in(request.headers()).ok_or_else(refused)?;
                let client = door.authenticate(key, request.extensions().get().copied()).await?;
                if let Some(dialect) = &client.dialect {
                    context.prefer(dialect);
                }
                context.set_client(client);
            }
            inner.call(request).await
        })
    }
}

/// Who shows no key has not guessed one, so that is not counted. The same words as for a wrong key.
fn refused() -> Failure {
    Failure::new(FailureKind::Unauthorized, "missing or invalid API key")
}

fn too_many(retry_after: Duration) -> Failure {
    let text = "too many requests with invalid API keys from this address";
    Failure::new(FailureKind::RateLimited, text).with_retry_after(retry_after)
}
