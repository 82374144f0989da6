//! Makes metrics and registers them in one step, so that none is forgotten.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use prometheus::core::Collector;
use prometheus::{
    CounterVec, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

/// What stands before every name.
const PREFIX: &str = "filmgate_";
/// What a store of any kind tells of the whole database, whichever replica reads it.
const OF_DATABASE: &str = " The same in all replicas of one database: read it with max.";

/// Makes metrics of one registry. Names come without the prefix; each fails if it is registered already.
pub(crate) struct Make<'a>(pub(crate) &'a Registry);

impl Make<'_> {
    pub(crate) fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.register(IntCounter::with_opts(opts(name, help))?)
    }

    pub(crate) fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> prometheus::Result<IntCounterVec> {
        self.register(IntCounterVec::new(opts(name, help), labels)?)
    }

    /// Counts what comes in parts.
    pub(crate) fn sums(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<CounterVec> {
        self.register(CounterVec::new(opts(name, help), labels)?)
    }

    pub(crate) fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.register(IntGauge::with_opts(opts(name, help))?)
    }

    pub(crate) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
        self.register(IntGaugeVec::new(opts(name, help), labels)?)
    }

    /// A gauge of seconds.
    pub(crate) fn measure(&self, name: &str, help: &str) -> prometheus::Result<Gauge> {
        self.register(Gauge::with_opts(opts(name, help))?)
    }

    /// A gauge that tells of the whole database.
    pub(crate) fn shared_gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.gauge(name, &format!("{help}{OF_DATABASE}"))
    }

    /// Gauges that tell of the whole database.
    pub(crate) fn shared_gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> prometheus::Result<IntGaugeVec> {
        self.gauges(name, &format!("{help}{OF_DATABASE}"), labels)
    }

    /// A gauge of seconds that tells of the whole database.
    pub(crate) fn shared_measure(&self, name: &str, help: &str) -> prometheus::Result<Gauge> {
        self.measure(name, &format!("{help}{OF_DATABASE}"))
    }

    pub(crate) fn times(&self, name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<Histogram> {
        self.register(Histogram::with_opts(histogram(name, help, buckets))?)
    }

    pub(crate) fn times_of(
        &self,
        (name, help): (&str, &str),
        buckets: &[f64],
        labels: &[&str],
    ) -> prometheus::Result<HistogramVec> {
        self.register(HistogramVec::new(histogram(name, help, buckets), labels)?)
    }

    fn register<C: Collector + Clone + 'static>(&self, collector: C) -> prometheus::Result<C> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }
}

/// Gauges of which exactly the series exist that were set last. Those that stay are never missing, whenever somebody looks.
pub(crate) struct Exact {
    gauges: IntGaugeVec,
    shown: Mutex<HashSet<Vec<String>>>,
}

impl Exact {
    pub(crate) fn new(gauges: IntGaugeVec) -> Self {
        Self { gauges, shown: Mutex::default() }
    }

    /// Sets these series, by their labels' values, and removes all others.
    pub(crate) fn set(&self, series: impl IntoIterator<Item = (Vec<String>, i64)>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let mut now = HashSet::new();
        for (values, count) in series {
            let labels: Vec<&str> = values.iter().map(String::as_str).collect();
            self.gauges.with_label_values(&labels).set(count);
            now.insert(values);
        }
        for gone in shown.difference(&now) {
            let labels: Vec<&str> = gone.iter().map(String::as_str).collect();
            let _was_shown = self.gauges.remove_label_values(&labels);
        }
        *shown = now;
    }
}

/// A count as a gauge has it.
pub(crate) fn gauge_value(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("{PREFIX}{name}"), help)
}

fn histogram(name: &str, help: &str, buckets: &[f64]) -> HistogramOpts {
    HistogramOpts::new(format!("{PREFIX}{name}"), help).buckets(buckets.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(text: &[&str]) -> Vec<(Vec<String>, i64)> {
        text.iter().map(|value| (vec![(*value).to_owned()], 1)).collect()
    }

    #[test]
    fn what_was_not_set_last_is_gone() {
        let registry = Registry::new();
        let gauges = Exact::new(Make(&registry).gauges("some", "Some.", &["name"]).unwrap());
        gauges.set(series(&["a", "b"]));
        gauges.set(series(&["b", "c"]));
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        assert!(
            !text.contains("\"a\"") && text.contains("{name=\"b\"} 1") && text.contains("{name=\"c\"} 1")
        );
    }
}
