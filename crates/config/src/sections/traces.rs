//! The section on traces.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::environment::SecretRef;
use crate::text::{self, DurationText};

/// Traces of tasks, from the request to the callback, for a collector of OpenTelemetry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Traces {
    /// Where a collector takes OTLP over HTTP; /v1/traces is appended. Without it nothing is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["http://otel-collector:4318"]))]
    pub endpoint: Option<String>,
    /// What proves to the collector that it may take them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<TraceHeader>,
    /// The share of new traces that are recorded, from 0 to 1. Where a client sends a traceparent, its flag decides.
    #[schemars(range(min = 0, max = 1))]
    pub sample_ratio: f64,
    /// For sending one batch, and for sending the rest at the end.
    #[serde(with = "text::duration")]
    #[schemars(with = "DurationText")]
    pub timeout: Duration,
    /// Spans that wait to be sent; more are dropped and counted.
    #[schemars(range(min = 1))]
    pub queue_max: usize,
    /// Whether calls to accounts carry a traceparent. Their providers can tell from it which calls are of one task.
    pub propagate_upstream: bool,
    /// Whether messages to clients' own servers carry a traceparent.
    pub propagate_callbacks: bool,
    /// What the service is called in traces.
    pub service_name: String,
    /// What else describes it, by OpenTelemetry's names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{ "deployment.environment.name": "production" }]))]
    pub resource: BTreeMap<String, String>,
}

/// A header of the requests that carry traces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TraceHeader {
    /// Its name.
    #[serde(default)]
    #[schemars(extend("examples" = ["authorization"]))]
    pub name: String,
    /// What stands before the secret, for instance Bearer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["Bearer"]))]
    pub scheme: Option<String>,
    /// The secret, as env:NAME or file:PATH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["env:OTLP_TOKEN"]))]
    pub value: Option<SecretRef>,
}

impl Default for Traces {
    fn default() -> Self {
        Self {
            endpoint: None,
            headers: Vec::new(),
            sample_ratio: 1.0,
            timeout: Duration::from_secs(10),
            queue_max: 4096,
            propagate_upstream: true,
            propagate_callbacks: true,
            service_name: "filmgate".to_owned(),
            resource: BTreeMap::new(),
        }
    }
}
