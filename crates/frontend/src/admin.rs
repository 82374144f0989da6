//! The listener for the operator: metrics and health, which need no key, so it must not be reachable by clients; and the
//! operator's API, which has one.

mod api;

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use prometheus::{IntGauge, Registry, TextEncoder};
use tasks::{Operator, TaskService};
use tokio::net::TcpListener;
use tower::service_fn;

use crate::body::Answer;
use crate::connection::Connections;
use crate::{Draining, Settings, server};
use api::Api;

pub use api::document as openapi;

/// Everything that the operator is served with.
#[derive(Clone)]
pub struct Admin {
    /// What is shown at `/metrics`.
    pub registry: Registry,
    /// Asked at `/readyz`.
    pub tasks: TaskService,
    /// Makes `/readyz` say no.
    pub draining: Draining,
    /// Asked below `/admin/`.
    pub operator: Operator,
}

/// Serves `/metrics`, `/livez`, `/readyz` and the operator's API until `shutdown`, which should come after the end of [`crate::serve`], so
/// that probes see the draining. Of `settings` the bounds of connections, of bodies and of wrong keys count.
pub async fn serve(
    listener: TcpListener,
    admin: Admin,
    settings: &Settings,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), prometheus::Error> {
    let api = Arc::new(Api::new(admin.operator.clone(), settings));
    let service = service_fn(move |request: Request<Incoming>| {
        let (admin, api) = (admin.clone(), Arc::clone(&api));
        async move { Ok::<_, Infallible>(admin.answer(request, &api).await) }
    });
    // Not registered: the gauge that operators see counts clients.
    let open = IntGauge::new("admin_connections", "Open connections of the operator.")?;
    server::run(listener, Connections::new(service, settings, Draining::default()), &open, shutdown).await;
    Ok(())
}

impl Admin {
    async fn answer(&self, request: Request<Incoming>, api: &Api) -> Answer {
        if request.uri().path().starts_with(api::PREFIX) {
            return api.answer(request).await;
        }
        let (method, path) = (request.method(), request.uri().path());
        if !matches!(*method, Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        }
        match path {
            "/metrics" => self.metrics(),
            "/livez" => text(StatusCode::OK, "ok\n"),
            "/readyz" => self.ready().await,
            _ => text(StatusCode::NOT_FOUND, "no such path; try /metrics, /livez or /readyz\n"),
        }
    }

    fn metrics(&self) -> Answer {
        match TextEncoder::new().encode_to_string(&self.registry.gather()) {
            Ok(body) => {
                let mut answer = text(StatusCode::OK, body);
                let format = HeaderValue::from_static(prometheus::TEXT_FORMAT);
                answer.headers_mut().insert(header::CONTENT_TYPE, format);
                answer
            }
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("gathering metrics: {error}\n")),
        }
    }

    async fn ready(&self) -> Answer {
        if !self.draining.is_ready() {
            return text(StatusCode::SERVICE_UNAVAILABLE, "draining\n");
        }
        match self.tasks.ready().await {
            Ok(()) => text(StatusCode::OK, "ok\n"),
            Err(failure) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{failure}\n")),
        }
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Answer::new(body.into().into());
    *answer.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, plain);
    answer
}
