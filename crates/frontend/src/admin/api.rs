//! The operator's API: below `/admin/`, JSON, for those who have a credential of it. What it has is data: see [`table`].

mod body;
mod document;
mod query;
mod refused;
mod route;
mod table;

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use domain::{Failure, FailureKind};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use limits::WrongKeys;
use matchit::Router;
use serde_json::{Map, Value};
use tasks::{Grant, Operator};

use crate::body::Answer;
use crate::context::Peer;
use crate::{Settings, percent};
use refused::Refused;
use route::{Ask, Params, Route};

pub use document::document;

/// Where it is.
pub(super) const PREFIX: &str = "/admin/";
/// Where what was changed is logged, and by whom.
const AUDIT: &str = "audit";

/// What answers.
pub(super) struct Api {
    operator: Operator,
    routes: Vec<Route>,
    /// Which of them a path may be.
    paths: Router<Vec<usize>>,
    wrong_keys: WrongKeys,
    body_timeout: Duration,
}

/// What a path means.
struct Matched<'a> {
    route: &'a Route,
    params: Params,
}

impl Api {
    /// One over `operator`. Of `settings` the bounds of bodies and of wrong keys count.
    pub(super) fn new(operator: Operator, settings: &Settings) -> Self {
        let routes = table::routes();
        let paths = paths(&routes);
        let wrong_keys = WrongKeys::new(settings.wrong_keys_per_minute, settings.tracked_addresses_max);
        Self { operator, routes, paths, wrong_keys, body_timeout: settings.body_timeout }
    }

    /// Answers a request for a path below [`PREFIX`].
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        match self.try_answer(&head, body).await {
            Ok(value) => reply(StatusCode::OK, &value),
            Err(refused) => {
                tracing::warn!(path = head.uri.path(), %refused, "the operator's API refused a request");
                refused.into_answer()
            }
        }
    }

    /// Nothing of a request counts, and nothing of its body is read, before its credential is good for what its path needs.
    async fn try_answer(&self, head: &Parts, body: Incoming) -> Result<Value, Refused> {
        let grant = self.authenticate(head)?;
        let Matched { route, params } = self.find(&head.method, head.uri.path())?;
        let subject = params.subject();
        if !grant.may(route.scope) {
            let refused = Refused::forbidden(&grant, route.scope);
            audit(&grant, route, &subject, refused.code());
            return Err(refused);
        }
        let asked = async {
            let query = query::parse(head.uri.query().unwrap_or_default(), &route.parameters)?;
            let body = if route.method == Method::GET {
                Bytes::new()
            } else {
                body::whole(body, self.body_timeout).await?
            };
            Ok(Ask { operator: self.operator.clone(), grant: grant.clone(), params, query, body })
        };
        let done: Result<Value, Refused> = match asked.await {
            Ok(ask) => (route.call)(ask).await,
            Err(refused) => Err(refused),
        };
        let of_reply = done.as_ref().ok().and_then(|reply| reply.pointer(route.subject_at)?.as_str());
        let outcome = done.as_ref().map_or_else(Refused::code, |_| "done");
        audit(&grant, route, of_reply.unwrap_or(&subject), outcome);
        done
    }

    fn authenticate(&self, head: &Parts) -> Result<Grant, Refused> {
        let presented = bearer(&head.headers);
        let address = head.extensions.get::<Peer>().map(|Peer(address)| *address);
        // Who shows no credential has not guessed one, so that is not counted.
        let (Some(key), Some(address)) = (presented, address) else {
            return Ok(self.operator.authenticate(presented)?);
        };
        self.wrong_keys.may_try(address, key).map_err(too_many)?;
        let grant = self.operator.authenticate(presented);
        self.count(address, key, grant.is_ok())?;
        Ok(grant?)
    }

    fn count(&self, address: IpAddr, key: &str, is_good: bool) -> Result<(), Refused> {
        if is_good {
            self.wrong_keys.was_good(address, key);
            return Ok(());
        }
        Ok(self.wrong_keys.was_wrong(address).map_err(too_many)?)
    }

    fn find(&self, method: &Method, path: &str) -> Result<Matched<'_>, Refused> {
        let unknown = || Failure::new(FailureKind::NotFound, "no such path of the operator's API");
        let found = self.paths.at(path).map_err(|_no_such_path| unknown())?;
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let mut of_path = found.value.iter().map(|index| &self.routes[*index]);
        let Some(route) = of_path.clone().find(|route| route.method == *method) else {
            return Err(Refused::method(of_path.by_ref().map(|route| &route.method)));
        };
        let decoded =
            found.params.iter().map(|(name, value)| Some((name.to_owned(), percent::decode(value)?)));
        let params = decoded.collect::<Option<Vec<_>>>().ok_or_else(unknown)?;
        Ok(Matched { route, params: Params(params) })
    }
}

/// The routes of each path, by their numbers.
fn paths(routes: &[Route]) -> Router<Vec<usize>> {
    let mut by_path: Vec<(&str, Vec<usize>)> = Vec::new();
    for (index, route) in routes.iter().enumerate() {
        match by_path.iter_mut().find(|(path, _)| *path == route.path) {
            Some((_, of_path)) => of_path.push(index),
            None => by_path.push((route.path, vec![index])),
        }
    }
    let mut paths = Router::new();
    for (path, of_path) in by_path {
        paths.insert(path, of_path).expect("the paths of the table do not contradict each other");
    }
    paths
}

/// Notes what somebody has changed or wanted to change; never what they presented.
fn audit(grant: &Grant, route: &Route, subject: &str, outcome: &str) {
    if route.changes_something() {
        let (credential, scope) = (grant.name.as_str(), route.scope.as_str());
        tracing::info!(target: AUDIT, credential, scope, action = route.name, subject, outcome, "an operator's wish");
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn too_many(retry_after: Duration) -> Failure {
    let text = "too many requests with invalid operator keys from this address";
    Failure::new(FailureKind::RateLimited, text).with_retry_after(retry_after)
}

fn reply(status: StatusCode, body: &Value) -> Answer {
    let mut answer = Answer::new(Bytes::from(body.to_string()).into());
    *answer.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    // What is told here changes, and some of it is shown once.
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// An object without members.
type Members = Map<String, Value>;
