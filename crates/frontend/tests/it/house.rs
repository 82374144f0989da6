//! A gateway on a free port.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domain::{Access, AccountName, AdminScopes, ClientLimits, Credential};
use frontend::{Draining, Gateway, Settings, StartError};
use limits::{Limiter, LocalLimiter};
use prometheus::{Registry, TextEncoder};
use routing::{Candidate, Catalogue, Policy, Route, Router};
use store::{SqliteSettings, SqliteStore, Tasks};
use tasks::{
    AssetStorage, CurrentSetup, Declared, DeclaredKey, Deployment, Keyring, LateSettings, Operator,
    Operators, Parts, RetentionSettings, Setup, Shared, Spool, TaskService, Worker,
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The operator's key.
pub(crate) const OPERATOR_KEY: &str = "the-key-of-the-operator-alone";
/// The key of a client that may do much.
pub(crate) const KEY: &str = "fg_alice";
/// The key of another client.
pub(crate) const OTHER_KEY: &str = "fg_bob";
/// The key of a client that may do two requests a minute and have one task.
pub(crate) const SMALL_KEY: &str = "fg_carol";
/// A key of a client that speaks the first dialect of the registry wherever it can.
pub(crate) const FAMILY_KEY: &str = "key-of-the-family";

/// The key of a client that speaks that dialect wherever it can.
pub(crate) fn key_of_dialect(name: &str) -> String {
    format!("key-that-speaks-{name}")
}

/// No wait of a test is longer; what takes so long does not happen.
const PATIENCE: Duration = Duration::from_secs(30);
/// A bound that ends nothing within a test, so that only the bound under test can.
const OUT_OF_REACH: Duration = Duration::from_secs(3600);

/// A running gateway.
pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) registry: Registry,
    pub(crate) draining: Draining,
    pub(crate) tasks: TaskService,
    pub(crate) operator: Operator,
    shared: Arc<Shared>,
    pub(crate) store: Arc<SqliteStore>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<Result<(), StartError>>,
    dir: TempDir,
}

/// Bounds that no test runs into by accident.
pub(crate) fn settings() -> Settings {
    Settings {
        public_url: None,
        cors_origins: vec!["*".to_owned()],
        tls: None,
        connections_max: 1000,
        first_byte_timeout: OUT_OF_REACH,
        header_timeout: OUT_OF_REACH,
        idle_timeout: OUT_OF_REACH,
        request_timeout: OUT_OF_REACH,
        wait_timeout: OUT_OF_REACH,
        waits_max: 1000,
        events_max: 1000,
        events_keep_alive: OUT_OF_REACH,
        events_timeout: OUT_OF_REACH,
        body_timeout: OUT_OF_REACH,
        body_bytes_max: 1 << 20,
        buffered_bytes_max: 16 << 20,
        requests_in_flight_max: 1000,
        wrong_keys_per_minute: 1000,
        tracked_addresses_max: 1000,
        body_bytes_per_second_min: 32 << 10,
        head_bytes_max: 64 << 10,
        streams_max: 128,
        drain_delay: Duration::ZERO,
        drain_timeout: OUT_OF_REACH,
    }
}

impl House {
    /// A gateway with usual bounds.
    pub(crate) async fn open() -> Self {
        Self::with(settings()).await
    }

    /// A gateway with these bounds.
    pub(crate) async fn with(settings: Settings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::new();
        let limiter: Arc<dyn Limiter> = Arc::new(LocalLimiter::new(100));
        let setup = setup();
        let store =
            Arc::new(SqliteStore::open(dir.path().join("tasks.db"), SqliteSettings::default()).unwrap());
        let shared = shared((store.clone(), setup.clone()), dir.path(), limiter.clone(), &registry).await;
        let tasks = TaskService::new(shared.clone());
        let operator = Operator::new(shared.clone(), Deployment::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let draining = Draining::default();
        let (stop, stopped) = oneshot::channel::<()>();
        let gateway = Gateway {
            tasks: tasks.clone(),
            keyring: Keyring::new(store.clone(), setup),
            limiter,
            settings,
            registry: registry.clone(),
            draining: draining.clone(),
        };
        let served = tokio::spawn(frontend::serve(listener, gateway, async {
            let _told_or_dropped = stopped.await;
        }));
        Self { address, registry, draining, tasks, operator, shared, store, stop: Some(stop), served, dir }
    }

    /// Lets a worker do what is to be done, for as long as the test goes on. No account serves anything, so that each task
    /// fails at once.
    pub(crate) fn fail_tasks(&self) {
        tokio::spawn(Worker::new(self.shared.clone()).run(std::future::pending()));
    }

    /// Asks the gateway to stop.
    pub(crate) fn stop(&mut self) {
        self.stop.take().expect("asked once").send(()).unwrap();
    }

    /// Waits until it has stopped.
    pub(crate) async fn stopped(self) {
        within(self.served).await.unwrap().unwrap();
    }

    /// The value of a metric without labels.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("{name} in {text}")).parse().unwrap()
    }

    /// Waits until a metric has this value.
    pub(crate) async fn until_metric(&self, name: &str, value: u64) {
        within(async {
            while self.metric(name) != value {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// The files of all assets that are stored.
    pub(crate) fn asset_files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.dir.path().join("assets")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                let list = if path.is_dir() { &mut folders } else { &mut files };
                list.push(path);
            }
        }
        files
    }

    /// How many tasks are stored.
    pub(crate) async fn task_count(&self) -> u64 {
        self.store.live_tasks().await.unwrap().iter().map(|(_, count)| count).sum()
    }
}

/// The outcome of what must not take for ever.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("this should not take so long")
}

async fn shared(
    (store, setup): (Arc<SqliteStore>, CurrentSetup),
    folder: &Path,
    limiter: Arc<dyn Limiter>,
    registry: &Registry,
) -> Arc<Shared> {
    let parts = Parts {
        store,
        setup,
        upstream: upstream::Upstream::new(upstream::Settings {
            connect_timeout: PATIENCE,
            reply_bytes_max: 1 << 20,
            idle_per_host_max: 1,
            allow: vec![],
        }),
        limiter,
        assets: AssetStorage::new(folder.join("assets")),
        spool: Spool::open(&folder.join("handles.spool"), 1 << 20).unwrap(),
        settings: task_settings(),
    };
    Shared::new(parts, registry).await.unwrap()
}

fn task_settings() -> tasks::Settings {
    tasks::Settings {
        base_url: "http://127.0.0.1".to_owned(),
        steps_max: 1,
        lease: PATIENCE,
        task_deadline: PATIENCE,
        unknown_hold: PATIENCE,
        look_after: PATIENCE,
        look_after_max: PATIENCE,
        absent_after: PATIENCE,
        absent_looks: 1,
        collect_hold: PATIENCE,
        submit_timeout: PATIENCE,
        poll_timeout: PATIENCE,
        result_timeout: PATIENCE,
        result_bytes_max: 1 << 20,
        input_lifetime: OUT_OF_REACH,
        idempotency_lifetime: OUT_OF_REACH,
        duplicate_window: std::time::Duration::ZERO,
        late: LateSettings { watch: OUT_OF_REACH, shortest: OUT_OF_REACH, longest: OUT_OF_REACH },
        retention: RetentionSettings {
            tasks: OUT_OF_REACH,
            results: OUT_OF_REACH,
            sweep_every: OUT_OF_REACH,
            batch_max: 100,
        },
        crashes_max: 3,
        input_bytes_max: 1 << 20,
        input_timeout: OUT_OF_REACH,
        input_hold: OUT_OF_REACH,
        inline_result_bytes_max: 1 << 20,
        hints: None,
        callbacks: tasks::CallbackSettings {
            timeout: Duration::from_secs(10),
            tries_max: 4,
            retry_after: Duration::from_millis(20),
            at_once_max: 8,
            per_host_max: 2,
            allow_http: true,
        },
        writers: tasks::Writers::Alone,
        live_view_max: 100,
        attempts_max: 1,
    }
}

fn setup() -> CurrentSetup {
    let candidates = vec![Candidate::new(AccountName::new("nobody"), "m")];
    let route = Route { model: "veo3.1".to_owned(), policy: Policy::default(), candidates };
    let keys = declared();
    let of_all = ("admin".to_owned(), Credential::new(OPERATOR_KEY), AdminScopes::all());
    let operators = Operators::new([of_all]);
    CurrentSetup::new(Setup {
        keys,
        operators,
        ..Setup::new(Catalogue::builtin(), Router::new([route], 50), [])
    })
}

fn declared() -> Declared {
    let much =
        ClientLimits { requests_per_minute: 100_000, concurrent_tasks: 10_000, ..ClientLimits::default() };
    let little = ClientLimits { requests_per_minute: 2, concurrent_tasks: 1, ..ClientLimits::default() };
    let usual = [
        (KEY.to_owned(), much, None),
        (OTHER_KEY.to_owned(), much, None),
        (SMALL_KEY.to_owned(), little, None),
        (FAMILY_KEY.to_owned(), much, Some("v2")),
    ];
    let speaking = translation::DIALECTS.iter().map(|dialect| {
        let name = dialect.name();
        (key_of_dialect(name), much, Some(name))
    });
    let declared = usual.into_iter().chain(speaking).map(|(secret, limits, dialect)| DeclaredKey {
        name: secret.clone(),
        secret,
        limits,
        dialect: dialect.map(str::to_owned),
        access: Access::default(),
    });
    Declared::new(declared, little)
}
