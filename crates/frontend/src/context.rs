//! What the layers learn about one request, and where it came from: the extensions that a request carries.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use domain::{Client, LimitStatus};
use http::{HeaderValue, Request};
use tokio::sync::OwnedSemaphorePermit;

use crate::layers::deadline::Countdown;
use crate::routes::Matched;

/// The other end of the connection that a request came over. A request carries it beside its context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Facts about one request, each set once by the layer that is named, and its place among those in flight. Shared, so that an outer layer can read what an
/// inner one has learned, even when the request was given up half way. Cheap to clone.
#[derive(Clone)]
pub(crate) struct RequestContext(Arc<Facts>);

struct Facts {
    request_id: HeaderValue,
    matched: OnceLock<Matched>,
    preferred: OnceLock<Matched>,
    in_flight: Mutex<Option<OwnedSemaphorePermit>>,
    countdown: OnceLock<Countdown>,
    client: OnceLock<Client>,
    limit: OnceLock<LimitStatus>,
}

impl RequestContext {
    /// A context that knows only the request's name (`request_id`).
    pub(crate) fn new(request_id: HeaderValue) -> Self {
        Self(Arc::new(Facts {
            request_id,
            matched: OnceLock::new(),
            preferred: OnceLock::new(),
            in_flight: Mutex::new(None),
            countdown: OnceLock::new(),
            client: OnceLock::new(),
            limit: OnceLock::new(),
        }))
    }

    /// The context of a request that has passed the `request_id` layer.
    pub(crate) fn of<B>(request: &Request<B>) -> &Self {
        request.extensions().get().expect("request_id is the outermost layer and adds the context")
    }

    /// The name of the request: visible ASCII.
    pub(crate) fn request_id(&self) -> &str {
        self.0.request_id.to_str().unwrap_or_default()
    }

    /// Whose path it is (`match_dialect`, `authenticate` where the client's key says more, and the handler where
    /// the body or the task does).
    pub(crate) fn matched(&self) -> &Matched {
        self.matched_so_far().expect("match_dialect is outside of all layers that ask for its result")
    }

    /// The same for layers outside of `match_dialect`.
    pub(crate) fn matched_so_far(&self) -> Option<&Matched> {
        self.0.preferred.get().or_else(|| self.0.matched.get())
    }

    /// Time that is left (`deadline`).
    pub(crate) fn countdown(&self) -> Option<&Countdown> {
        self.0.countdown.get()
    }

    /// Who calls (`authenticate`); nobody if the endpoint is public.
    pub(crate) fn client(&self) -> Option<&Client> {
        self.0.client.get()
    }

    /// Where the client stands with its rate limit (`client_limits`).
    pub(crate) fn limit(&self) -> Option<&LimitStatus> {
        self.0.limit.get()
    }

    pub(crate) fn set_matched(&self, matched: Matched) {
        set_once(&self.0.matched, matched);
    }

    /// From now on the path is that of `dialect`, if it claims the path too.
    pub(crate) fn prefer(&self, dialect: &str) {
        if let Some(matched) = self.matched().as_claimed_by(dialect) {
            set_once(&self.0.preferred, matched);
        }
    }

    /// The same for who recognises the body, if nothing has decided before.
    pub(crate) fn prefer_by_body(&self, body: &[u8]) {
        let found = self.matched().recognised_in(body).and_then(|name| self.matched().as_claimed_by(name));
        if let Some(matched) = found {
            set_once(&self.0.preferred, matched);
        }
    }

    /// The same for who made the task that is asked for.
    pub(crate) fn prefer_maker(&self, dialect: &str) {
        if let Some(matched) = self.matched().as_made_by(dialect) {
            set_once(&self.0.preferred, matched);
        }
    }

    /// From now on the request holds this place among those in flight (`in_flight`).
    pub(crate) fn enter_flight(&self, place: OwnedSemaphorePermit) {
        *self.0.in_flight.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
    }

    /// From now on it holds none: it has been answered, or its client waits for a task.
    pub(crate) fn leave_flight(&self) {
        *self.0.in_flight.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn set_countdown(&self, countdown: Countdown) {
        set_once(&self.0.countdown, countdown);
    }

    pub(crate) fn set_client(&self, client: Client) {
        set_once(&self.0.client, client);
    }

    pub(crate) fn set_limit(&self, limit: LimitStatus) {
        set_once(&self.0.limit, limit);
    }
}

fn set_once<T>(place: &OnceLock<T>, fact: T) {
    let first = place.set(fact).is_ok();
    debug_assert!(first, "each layer stands once in the stack");
}
