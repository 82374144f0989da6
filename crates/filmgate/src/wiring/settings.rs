//! What each crate is told of the configuration.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use config::Config;
use tasks::{Deployment, HintSettings, LateSettings, RetentionSettings, Spool, Writers};
use upstream::Upstream;

/// Idle connections kept for each upstream host.
const IDLE_PER_HOST_MAX: usize = 32;

/// The front end, for clients.
pub(super) fn frontend_settings(config: &Config) -> anyhow::Result<frontend::Settings> {
    let server = &config.server;
    Ok(frontend::Settings {
        public_url: server.public_url.clone(),
        cors_origins: server.cors_origins.clone(),
        tls: certificate(server.tls.as_ref())?,
        connections_max: server.connections_max,
        first_byte_timeout: server.first_byte_timeout,
        header_timeout: server.header_timeout,
        idle_timeout: server.idle_timeout,
        request_timeout: server.request_timeout,
        wait_timeout: server.wait_timeout,
        waits_max: server.waits_max,
        events_max: server.events_max,
        events_keep_alive: server.events_keep_alive,
        events_timeout: server.events_timeout,
        body_timeout: server.body_timeout,
        body_bytes_max: server.body_bytes_max,
        buffered_bytes_max: server.buffered_bytes_max,
        requests_in_flight_max: server.requests_in_flight_max,
        wrong_keys_per_minute: config.limits.unauthorized_per_minute,
        tracked_addresses_max: config.limits.tracked_keys_max,
        body_bytes_per_second_min: server.body_bytes_per_second_min,
        head_bytes_max: u32::try_from(server.head_bytes_max)?,
        streams_max: server.streams_max,
        drain_delay: server.drain_delay,
        drain_timeout: server.drain_timeout,
    })
}

/// A certificate and its key, if there is one.
pub(super) fn certificate(
    tls: Option<&config::Tls>,
) -> anyhow::Result<Option<Arc<frontend::tls::ServerConfig>>> {
    let loaded = tls.map(|tls| frontend::tls::load(&tls.cert_file, &tls.key_file)).transpose()?;
    Ok(loaded.map(Arc::new))
}

/// What the operator is told of the running program.
pub(super) fn deployment(config: &Config) -> Deployment {
    Deployment {
        version: env!("CARGO_PKG_VERSION"),
        store: if config.store.postgres.is_some() { "postgres" } else { "embedded" },
        currency: config.ledger.currency.clone(),
    }
}

/// Where inputs and results are.
pub(super) fn media_dir(config: &Config) -> PathBuf {
    config.media_dir.clone().unwrap_or_else(|| config.data_dir.join("assets"))
}

/// What calls others, as the config says of those.
pub(crate) fn way_out(config: &Config) -> anyhow::Result<Upstream> {
    let settings = upstream::Settings {
        connect_timeout: config.tasks.connect_timeout,
        reply_bytes_max: usize::try_from(config.tasks.reply_bytes_max)?,
        idle_per_host_max: IDLE_PER_HOST_MAX,
        allow: config.egress.allow.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
    };
    let egress = &config.egress;
    let authorities = match &egress.ca_file {
        None => Vec::new(),
        Some(file) => {
            let pem = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
            upstream::authorities(&pem)
                .with_context(|| format!("egress.ca_file: {} holds no certificates", file.display()))?
        }
    };
    let egress = upstream::Egress {
        allow_names: egress.allow_names.clone(),
        nameservers: egress.nameservers.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
        nat64_prefix: egress.nat64_prefix.as_deref().map(str::parse).transpose()?,
        proxy: egress.proxy.as_deref().map(str::parse).transpose()?,
        authorities,
    };
    let propagation = upstream::Propagation {
        to_accounts: config.traces.propagate_upstream,
        to_listeners: config.traces.propagate_callbacks,
    };
    Ok(Upstream::with_egress(settings, &egress).propagating(propagation))
}

/// Where ids of upstreams are kept that the store does not take in time.
pub(super) fn spool(config: &Config) -> anyhow::Result<Spool> {
    let path = config.data_dir.join("handles.spool");
    Spool::open(&path, config.tasks.spool_bytes).with_context(|| format!("opening {}", path.display()))
}

/// The life of tasks.
pub(super) fn task_settings(
    config: &Config,
    base_url: String,
    hints: Option<HintSettings>,
) -> tasks::Settings {
    let tasks = &config.tasks;
    tasks::Settings {
        base_url,
        steps_max: tasks.workers_max,
        lease: tasks.lease,
        task_deadline: tasks.task_deadline,
        unknown_hold: tasks.unknown_hold,
        look_after: tasks.look_after,
        look_after_max: tasks.look_after_max,
        absent_after: tasks.absent_after,
        absent_looks: tasks.absent_looks,
        collect_hold: tasks.result_retry_for,
        submit_timeout: tasks.submit_timeout,
        poll_timeout: tasks.poll_timeout,
        result_timeout: tasks.result_timeout,
        result_bytes_max: tasks.result_bytes_max,
        input_lifetime: tasks.input_lifetime,
        idempotency_lifetime: tasks.idempotency_lifetime,
        duplicate_window: tasks.duplicate_window,
        input_bytes_max: tasks.input_bytes_max,
        input_timeout: tasks.input_timeout,
        input_hold: tasks.input_retry_for,
        inline_result_bytes_max: tasks.inline_result_bytes_max,
        hints,
        callbacks: callback_settings(config),
        writers: if config.store.postgres.is_some() { Writers::Several } else { Writers::Alone },
        live_view_max: tasks.live_view_max,
        late: LateSettings {
            watch: tasks.late_watch,
            shortest: tasks.late_look_after,
            longest: tasks.late_look_max,
        },
        retention: RetentionSettings {
            tasks: config.retention.tasks,
            results: config.retention.results,
            sweep_every: config.retention.sweep_every,
            batch_max: config.retention.batch_max,
        },
        crashes_max: tasks.crashes_max,
        attempts_max: tasks.attempts_max,
    }
}

fn callback_settings(config: &Config) -> tasks::CallbackSettings {
    let callbacks = &config.callbacks;
    tasks::CallbackSettings {
        timeout: callbacks.timeout,
        tries_max: callbacks.tries_max,
        retry_after: callbacks.retry_after,
        at_once_max: callbacks.at_once_max,
        per_host_max: callbacks.per_host_max,
        allow_http: callbacks.allow_http,
    }
}
