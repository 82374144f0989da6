//! Begins logs and traces as the config says, and sends the traces.

use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use config::{Config, LogFormat};
use domain::{Call, Credential};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use prometheus::Registry;
use telemetry::trace::{Answer, Exporter, Settings, traces};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use upstream::Upstream;

/// Appended to the endpoint (OTLP over HTTP).
const TRACES_PATH: &str = "/v1/traces";
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");

/// Traces that are recorded, and not sent yet.
pub(crate) struct Recording(Option<Exporter>);

/// Traces that are sent.
pub(crate) struct Sending {
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

/// Begins to log, by `directives` if there are any, else as `config` says; and to record traces if it says where they go.
pub(crate) fn begin(config: &Config, directives: Option<&str>) -> anyhow::Result<Recording> {
    let format = match config.log.format {
        LogFormat::Text => telemetry::Format::Text,
        LogFormat::Json => telemetry::Format::Json,
    };
    let recording = config.traces.endpoint.as_ref().map(|_endpoint| traces(settings(config))).transpose()?;
    let (layer, exporter) = recording.unzip();
    telemetry::log(format, directives.unwrap_or(config.log.level.as_str()), layer)?;
    Ok(Recording(exporter))
}

impl Recording {
    /// Begins to send, by `way_out`, what is recorded. What becomes of it is shown in `registry`.
    pub(crate) fn send(
        self,
        config: &Config,
        way_out: Upstream,
        registry: &Registry,
    ) -> anyhow::Result<Sending> {
        let (stop, stopped) = watch::channel(false);
        let Some(exporter) = self.0 else { return Ok(Sending { stop, task: None }) };
        exporter.register(registry)?;
        let collector = Collector {
            way_out,
            endpoint: config.traces.endpoint.clone().unwrap_or_default(),
            headers: headers(&config.trace_headers)?,
            timeout: config.traces.timeout,
        };
        let collector = Arc::new(collector);
        let send = move |body| {
            let collector = Arc::clone(&collector);
            async move { collector.take(body).await }
        };
        Ok(Sending { stop, task: Some(tokio::spawn(exporter.run(send, stopped))) })
    }
}

impl Sending {
    /// Sends the rest, within the time of one batch.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        if let Some(task) = self.task {
            let _crashed = task.await;
        }
    }
}

/// Where traces go.
struct Collector {
    way_out: Upstream,
    endpoint: String,
    headers: HeaderMap,
    timeout: std::time::Duration,
}

impl Collector {
    async fn take(&self, body: Bytes) -> Answer {
        let mut call = Call::post_json(TRACES_PATH, body.into());
        call.headers.extend(self.headers.clone());
        call.headers.insert(header::CONTENT_TYPE, PROTOBUF);
        let reply = self.way_out.ask(&self.endpoint, call, self.timeout).await;
        reply.map(|reply| (reply.status.as_u16(), reply.body)).map_err(|error| error.to_string())
    }
}

fn settings(config: &Config) -> Settings {
    let traces = &config.traces;
    let own = [
        ("service.name", traces.service_name.clone()),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id", format!("{:032x}", fastrand::u128(..))),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value));
    let said = |name: &str| traces.resource.contains_key(name);
    let resource = own.into_iter().filter(|(name, _)| !said(name));
    Settings {
        sample_ratio: traces.sample_ratio,
        queue_max: traces.queue_max,
        timeout: traces.timeout,
        resource: resource.chain(traces.resource.clone()).collect(),
    }
}

fn headers(named: &[(String, Credential)]) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, secret) in named {
        let context = || format!("traces.headers: {name}");
        let mut value = HeaderValue::from_str(secret.expose()).with_context(context)?;
        value.set_sensitive(true);
        headers.insert(HeaderName::try_from(name.as_str()).with_context(context)?, value);
    }
    Ok(headers)
}
