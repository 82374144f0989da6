//! Puts the crates together: from a checked configuration to a running gateway.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use config::Config;
use frontend::admin::Admin;
use frontend::{Draining, Gateway};
use limits::Limiter;
use sandbox::Sandbox;
use store::{SqliteSettings, SqliteStore, Store};
use tasks::{
    AssetStorage, CurrentSetup, Deliverer, Deployment, HintSettings, Keyring, LateSettings, LateWatcher,
    Operator, Parts, Reloads, RetentionSettings, Shared, Spool, Sweeper, TaskService, Worker, Writers,
};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use upstream::Upstream;

use crate::cli::ServeOptions;
use crate::reload::{Inputs, Reloader};
use crate::{embedded, limiter, setup, source};

/// What is given beyond the timeout of a submission, or of a message, to store its answer.
const WORKER_GRACE_MARGIN: Duration = Duration::from_secs(5);
/// The name of the key that addresses for upstreams are made with.
const CALLBACK_KEY: &str = "callback.key";
/// Idle connections kept for each upstream host.
const IDLE_PER_HOST_MAX: usize = 32;

/// A gateway that serves.
pub(crate) struct Running {
    /// Where clients reach it, without a trailing slash.
    pub(crate) url: String,
    /// Where the operator reaches it, without a trailing slash.
    pub(crate) admin_url: String,
    /// The client keys.
    pub(crate) keyring: Keyring,
    setup: CurrentSetup,
    /// What it measures.
    pub(crate) registry: prometheus::Registry,
    stop: watch::Sender<bool>,
    /// The front end; absent when its end is known.
    serving: Option<JoinHandle<anyhow::Result<()>>>,
    worker: JoinHandle<()>,
    worker_grace: Duration,
    sandbox: Option<Sandbox>,
}

impl Running {
    /// Starts everything; when this returns, requests are answered. `reloads` is for the operator, where the configuration
    /// may be read again.
    pub(crate) async fn start(config: &Config, reloads: Option<Reloads>) -> anyhow::Result<Self> {
        let data = &config.data_dir;
        std::fs::create_dir_all(data).with_context(|| format!("making {}", data.display()))?;
        let (store, hints) = open_store(config).await?;
        let sandbox = if config.sandbox.embed { Some(embedded::start(config).await?) } else { None };
        let public = listen(config.server.listen).await?;
        let admin = listen(config.server.admin_listen).await?;
        let (public_addr, admin_addr) = (public.local_addr()?, admin.local_addr()?);
        let url = public_url(config, public_addr);

        let registry = telemetry::registry(env!("CARGO_PKG_VERSION"))?;
        let limiter = limiter::start(config, &registry).await?;
        let sandbox_url = sandbox.as_ref().map(sandbox_url);
        let setup = CurrentSetup::new(setup::build(config, sandbox_url.as_deref())?);
        let keyring = Keyring::new(Arc::clone(&store), setup.clone());
        let parts = parts(config, (store, hints), setup.clone(), (Arc::clone(&limiter), url.clone()))?;
        let shared = Shared::new(parts, &registry).await?;

        let (stop, stopped) = watch::channel(false);
        let gateway = Gateway {
            tasks: TaskService::new(Arc::clone(&shared)),
            keyring: keyring.clone(),
            limiter,
            settings: frontend_settings(config)?,
            registry: registry.clone(),
            draining: Draining::default(),
        };
        let operator = Operator::new(Arc::clone(&shared), deployment(config)).reloading(reloads);
        let admin_tls = certificate(config.server.admin_tls.as_ref())?;
        let admin_settings = frontend::Settings { tls: admin_tls, ..gateway.settings.clone() };
        let serving = Some(serve((public, admin), (gateway, operator), admin_settings, stopped.clone()));
        let worker = Worker::new(Arc::clone(&shared)).run(until_true(stopped.clone()));
        let deliverer = Deliverer::new(Arc::clone(&shared)).run(until_true(stopped.clone()));
        let late = LateWatcher::new(Arc::clone(&shared)).run(until_true(stopped.clone()));
        let sweeper = Sweeper::new(shared).run(until_true(stopped));
        let worker = tokio::spawn(async move {
            tokio::join!(worker, deliverer, late, sweeper);
        });
        let longest = config.tasks.submit_timeout.max(config.callbacks.timeout);
        let worker_grace = longest + WORKER_GRACE_MARGIN;
        Ok(Self {
            url,
            admin_url: format!("{}://{admin_addr}", scheme(config.server.admin_tls.as_ref())),
            keyring,
            setup,
            registry,
            stop,
            serving,
            worker,
            worker_grace,
            sandbox,
        })
    }

    /// Keeps what may change as the configuration says that `options` lead to; it was started with that one. To be made
    /// once.
    pub(crate) fn reloader(
        &self,
        options: &ServeOptions,
        started_with: (&Config, Inputs),
    ) -> anyhow::Result<Reloader> {
        let sandbox_url = self.sandbox.as_ref().map(sandbox_url);
        Ok(Reloader::new(options, started_with, (self.setup.clone(), sandbox_url), &self.registry)?)
    }

    /// Waits for the front end to end before it was told to; why it did.
    pub(crate) async fn failed(&mut self) -> anyhow::Error {
        let Some(serving) = &mut self.serving else { return std::future::pending().await };
        let ended = serving.await;
        self.serving = None;
        match ended {
            Ok(Ok(())) => anyhow::anyhow!("the front end ended"),
            Ok(Err(error)) => error.context("serving failed"),
            Err(crash) => anyhow::Error::new(crash).context("the front end crashed"),
        }
    }

    /// Stops: takes no more connections, lets requests and steps under way end within their bounds, then goes.
    pub(crate) async fn stop(self) {
        let _nobody_listens = self.stop.send(true);
        // A submission under way is worth waiting for: its answer says whether money was spent.
        let worker = tokio::time::timeout(self.worker_grace, self.worker);
        let served = async { if let Some(serving) = self.serving { serving.await } else { Ok(Ok(())) } };
        let (served, worked) = tokio::join!(served, worker);
        if let Ok(Err(error)) = served {
            tracing::error!("serving ended with an error: {error:#}");
        }
        if worked.is_err() {
            tracing::warn!(
                "steps were still under way at the end of the grace period; they resume at the next start"
            );
        }
        if let Some(sandbox) = self.sandbox {
            sandbox.stop().await;
        }
    }
}

/// Serves clients, and the operator until the last client is gone, so that probes see the draining.
fn serve(
    (public, admin): (TcpListener, TcpListener),
    (gateway, operator): (Gateway, Operator),
    admin_settings: frontend::Settings,
    stopped: watch::Receiver<bool>,
) -> JoinHandle<anyhow::Result<()>> {
    let operator = Admin {
        registry: gateway.registry.clone(),
        tasks: gateway.tasks.clone(),
        draining: gateway.draining.clone(),
        operator,
    };
    let (drained, until_drained) = watch::channel(false);
    tokio::spawn(async move {
        let operators = frontend::admin::serve(admin, operator, &admin_settings, until_true(until_drained));
        let clients = async {
            let served = frontend::serve(public, gateway, until_true(stopped)).await;
            drained.send_replace(true);
            served
        };
        let (operators, clients) = tokio::join!(operators, clients);
        clients?;
        Ok(operators?)
    })
}

fn frontend_settings(config: &Config) -> anyhow::Result<frontend::Settings> {
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

fn certificate(tls: Option<&config::Tls>) -> anyhow::Result<Option<Arc<frontend::tls::ServerConfig>>> {
    let loaded = tls.map(|tls| frontend::tls::load(&tls.cert_file, &tls.key_file)).transpose()?;
    Ok(loaded.map(Arc::new))
}

fn scheme(tls: Option<&config::Tls>) -> &'static str {
    if tls.is_some() { "https" } else { "http" }
}

fn sandbox_url(sandbox: &Sandbox) -> String {
    format!("http://{}", sandbox.addr())
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))
}

async fn until_true(mut stopped: watch::Receiver<bool>) {
    let _sender_gone = stopped.wait_for(|stopped| *stopped).await;
}

/// Where this machine reaches the gateway, unless the config knows better.
fn public_url(config: &Config, bound: SocketAddr) -> String {
    if let Some(url) = &config.server.public_url {
        return url.trim_end_matches('/').to_owned();
    }
    let scheme = scheme(config.server.tls.as_ref());
    let host = if bound.ip().is_unspecified() { "127.0.0.1".to_owned() } else { format_host(bound) };
    format!("{scheme}://{host}:{}", bound.port())
}

fn format_host(bound: SocketAddr) -> String {
    match bound {
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
    }
}

fn store_settings(config: &Config) -> SqliteSettings {
    SqliteSettings {
        writes_waiting_max: config.store.queue_max,
        accepts_waiting_max: config.store.queue_max / 2,
        batch_max: config.store.batch_max,
        wal_bytes_max: config.store.wal_bytes_max,
        ..SqliteSettings::default()
    }
}

/// What the operator is told of the running program.
fn deployment(config: &Config) -> Deployment {
    Deployment {
        version: env!("CARGO_PKG_VERSION"),
        store: if config.store.postgres.is_some() { "postgres" } else { "embedded" },
        currency: config.ledger.currency.clone(),
    }
}

fn parts(
    config: &Config,
    (store, hints): (Arc<dyn Store>, Option<HintSettings>),
    setup: CurrentSetup,
    (limiter, base_url): (Arc<dyn Limiter>, String),
) -> anyhow::Result<Parts> {
    Ok(Parts {
        store,
        setup,
        upstream: way_out(config)?,
        limiter,
        assets: AssetStorage::new(media_dir(config)),
        spool: spool(config)?,
        settings: task_settings(config, base_url, hints),
    })
}

fn media_dir(config: &Config) -> PathBuf {
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

fn spool(config: &Config) -> anyhow::Result<Spool> {
    let path = config.data_dir.join("handles.spool");
    Spool::open(&path, config.tasks.spool_bytes).with_context(|| format!("opening {}", path.display()))
}

fn task_settings(config: &Config, base_url: String, hints: Option<HintSettings>) -> tasks::Settings {
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

/// The store that serves, and how upstreams may call if they can reach this gateway.
async fn open_store(config: &Config) -> anyhow::Result<(Arc<dyn Store>, Option<HintSettings>)> {
    if let Some(settings) = source::postgres(config) {
        let store = source::open_postgres(settings).await?;
        let hints = match hints_of_config(config) {
            Hints::Settled(hints) => hints,
            // All gateways on the database must understand what upstreams were told by any of them.
            Hints::WithKey(public_url) => {
                let fresh = tasks::random_key().map_err(anyhow::Error::msg)?;
                let key = store.shared_secret(CALLBACK_KEY, fresh).await.context("sharing a key")?;
                Some(HintSettings { public_url, key })
            }
        };
        return Ok((Arc::new(store), hints));
    }
    let store = SqliteStore::open_exclusive(source::store_path(config), store_settings(config))
        .with_context(|| format!("opening the store in {}", config.data_dir.display()))?;
    let hints = match hints_of_config(config) {
        Hints::Settled(hints) => hints,
        Hints::WithKey(public_url) => Some(HintSettings { public_url, key: kept_key(config)? }),
    };
    Ok((Arc::new(store), hints))
}

/// How upstreams may call, as far as the config says it.
enum Hints {
    /// All of it.
    Settled(Option<HintSettings>),
    /// By this URL, and with a key of its own that is made at the first start.
    WithKey(String),
}

fn hints_of_config(config: &Config) -> Hints {
    let public_url = config.server.public_url.clone().filter(|_| config.server.upstream_callbacks);
    match (public_url, &config.callback_key) {
        (None, _) => Hints::Settled(None),
        (Some(public_url), Some(secret)) => {
            Hints::Settled(Some(HintSettings { public_url, key: HintSettings::key_of(secret) }))
        }
        (Some(public_url), None) => Hints::WithKey(public_url),
    }
}

/// The key in the data directory, which is made at the first start.
fn kept_key(config: &Config) -> anyhow::Result<[u8; 32]> {
    let path = config.data_dir.join(CALLBACK_KEY);
    match std::fs::read(&path) {
        Ok(bytes) => bytes.try_into().ok().with_context(|| format!("{} is no key", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => make_key(&path),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

fn make_key(path: &Path) -> anyhow::Result<[u8; 32]> {
    let key = tasks::random_key().map_err(anyhow::Error::msg)?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).with_context(|| format!("making {}", path.display()))?;
    std::io::Write::write_all(&mut file, &key)?;
    file.sync_all()?;
    Ok(key)
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
