//! Puts the crates together: from a checked configuration to a running gateway.

mod backend;
mod settings;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use config::Config;
use frontend::admin::Admin;
use frontend::{Draining, Gateway};
use limits::Limiter;
use sandbox::Sandbox;
use store::Store;
use tasks::{
    AssetStorage, CurrentSetup, Deliverer, HintSettings, Keyring, LateWatcher, Operator, Parts, Reloads,
    Shared, Sweeper, TaskService, Worker,
};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::cli::ServeOptions;
use crate::reload::{Inputs, Reloader};
use crate::{embedded, limiter, setup};
pub(crate) use settings::way_out;

/// What is given beyond the timeout of a submission, or of a message, to store its answer.
const WORKER_GRACE_MARGIN: Duration = Duration::from_secs(5);

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
        let (store, hints) = backend::open_store(config).await?;
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
            settings: settings::frontend_settings(config)?,
            registry: registry.clone(),
            draining: Draining::default(),
        };
        let operator = Operator::new(Arc::clone(&shared), settings::deployment(config)).reloading(reloads);
        let admin_tls = settings::certificate(config.server.admin_tls.as_ref())?;
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
        assets: AssetStorage::new(settings::media_dir(config)),
        spool: settings::spool(config)?,
        settings: settings::task_settings(config, base_url, hints),
    })
}
