//! A service and a worker over a real store in a folder of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::{
    Account, AccountName, Client, ClientLimits, Credential, Draft, NewAttempt, OwnerId, Pace, Scope, Task,
    TaskEvent, TaskId, Timestamp,
};
use limits::LocalLimiter;
use routing::{Candidate, Catalogue, Policy, Route, Router};
use store::{Clock, Next, SqliteSettings, SqliteStore, Store, Tasks};
use tasks::{
    AssetStorage, CurrentSetup, LateSettings, LateWatcher, Parts, RetentionSettings, Settings, Setup, Shared,
    Sweeper, TaskService, Worker, Writers,
};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinHandle};
use upstream::Upstream;

const MODEL: &str = "veo3.1";
/// A model of pictures, and what accounts know it as.
pub(crate) const IMAGE_MODEL: &str = "nano-banana";
const UPSTREAM_IMAGE_MODEL: &str = "gpt-image-1";
/// Far more than any story needs; a story that gets here has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(10);
const SHORT: Duration = Duration::from_millis(20);

pub(crate) struct Stage {
    pub(crate) service: TaskService,
    pub(crate) shared: Arc<Shared>,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) limiter: Arc<LocalLimiter>,
    registry: prometheus::Registry,
    setup: CurrentSetup,
    pub(crate) accounts: Vec<Account>,
    settings: Settings,
    folder: Arc<TempDir>,
    /// By how many seconds the store's clock is ahead.
    ahead: Arc<AtomicU64>,
}

/// Stops the worker when the story ends.
pub(crate) struct Working(AbortHandle);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(crate) fn account(name: &str, url: &str) -> Account {
    Account {
        name: AccountName::new(name),
        provider: "v2".into(),
        base_url: url.into(),
        files_url: None,
        callback_secret: None,
        callback_keys_url: None,
        official: false,
        credential: Credential::new("secret"),
        requests_per_minute: 10_000,
        concurrent_tasks: 1_000,
        daily: domain::DailyLimits::default(),
        regions: Vec::new(),
        version: String::new(),
        on_unknown: domain::OnUnknown::Hold,
        pace: Some(Pace { first: SHORT, shortest: SHORT, longest: SHORT }),
    }
}

fn setup_of(accounts: &[Account]) -> Setup {
    let candidate = |account: &Account| Candidate::new(account.name.clone(), MODEL);
    let candidates = accounts.iter().map(candidate).collect();
    Setup::new(Catalogue::builtin(), router(candidates, Policy::default()), accounts.iter().cloned())
}

/// The routes of stories: these ways to make a clip, and the same accounts for a picture.
pub(crate) fn router(candidates: Vec<Candidate>, policy: Policy) -> Router {
    let pictures = candidates.iter().map(|clip| Candidate::new(clip.account.clone(), UPSTREAM_IMAGE_MODEL));
    let pictures = pictures.collect();
    let clips = Route { model: MODEL.into(), policy, candidates };
    Router::new([clips, Route { model: IMAGE_MODEL.into(), policy, candidates: pictures }], 50)
}

/// Listeners of stories are on loopback. A story that has none allows nothing inside.
fn allowed(settings: &Settings) -> Vec<domain::Network> {
    if settings.callbacks.allow_http { vec!["127.0.0.1".parse().unwrap()] } else { vec![] }
}

pub(crate) fn client(owner: &str) -> Client {
    let limits = ClientLimits::default();
    Client { owner: OwnerId::new(owner), limits, dialect: None, access: Arc::default() }
}

pub(crate) fn draft() -> Draft {
    Draft {
        scope: Some(Scope::Videos),
        model: Some(MODEL.into()),
        prompt: "a cat".into(),
        ..Draft::default()
    }
}

impl Stage {
    pub(crate) async fn new(accounts: Vec<Account>) -> Self {
        Self::with(accounts, |_settings| {}).await
    }

    pub(crate) async fn with(accounts: Vec<Account>, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            base_url: "http://gateway".into(),
            steps_max: 16,
            lease: Duration::from_secs(30),
            task_deadline: Duration::from_secs(600),
            unknown_hold: Duration::from_millis(300),
            look_after: SHORT,
            look_after_max: Duration::from_millis(100),
            absent_after: Duration::ZERO,
            absent_looks: 3,
            collect_hold: Duration::from_secs(3),
            submit_timeout: Duration::from_secs(10),
            poll_timeout: Duration::from_secs(10),
            result_timeout: Duration::from_secs(10),
            result_bytes_max: 1 << 20,
            input_lifetime: Duration::from_secs(600),
            idempotency_lifetime: Duration::from_secs(600),
            duplicate_window: Duration::ZERO,
            input_bytes_max: 1 << 20,
            input_timeout: Duration::from_secs(10),
            input_hold: Duration::from_millis(300),
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
            writers: Writers::Alone,
            live_view_max: 1_000,
            late: LateSettings { watch: Duration::from_secs(600), shortest: SHORT, longest: SHORT },
            retention: RetentionSettings {
                tasks: Duration::from_secs(600),
                results: Duration::from_secs(600),
                sweep_every: SHORT,
                batch_max: 2,
            },
            crashes_max: 3,
            attempts_max: 4,
        };
        change(&mut settings);
        Self::open(accounts, settings, Arc::new(TempDir::new().unwrap())).await
    }

    async fn open(accounts: Vec<Account>, settings: Settings, folder: Arc<TempDir>) -> Self {
        let path = folder.path().join("tasks.db");
        let ahead = Arc::new(AtomicU64::new(0));
        let clock = Clock::new({
            let (ahead, system) = (Arc::clone(&ahead), Clock::system());
            move || system.now().plus(Duration::from_secs(ahead.load(Ordering::Relaxed)))
        });
        let store_settings = SqliteSettings { clock, ..SqliteSettings::default() };
        let store = Arc::new(SqliteStore::open_exclusive(path, store_settings).unwrap());
        Self::on(store, (accounts, settings), (folder, ahead), "handles.spool").await
    }

    /// Another process on the same store, as far as the code can tell.
    pub(crate) async fn beside(&self) -> Self {
        let its_own = (self.accounts.clone(), self.settings.clone());
        let ground = (Arc::clone(&self.folder), Arc::clone(&self.ahead));
        Self::on(Arc::clone(&self.store), its_own, ground, "other.spool").await
    }

    /// So much time passes for the store, as it does while a process stands still.
    pub(crate) fn pass(&self, time: Duration) {
        self.ahead.fetch_add(time.as_secs(), Ordering::Relaxed);
    }

    async fn on(
        store: Arc<SqliteStore>,
        (accounts, settings): (Vec<Account>, Settings),
        (folder, ahead): (Arc<TempDir>, Arc<AtomicU64>),
        spool: &str,
    ) -> Self {
        let setup = CurrentSetup::new(setup_of(&accounts));
        let limiter = Arc::new(LocalLimiter::new(100));
        let parts = Parts {
            store: Arc::clone(&store) as Arc<dyn Store>,
            setup: setup.clone(),
            upstream: Upstream::new(upstream::Settings {
                connect_timeout: Duration::from_secs(5),
                reply_bytes_max: 1 << 20,
                idle_per_host_max: 4,
                allow: allowed(&settings),
            }),
            limiter: Arc::clone(&limiter) as Arc<dyn limits::Limiter>,
            assets: AssetStorage::new(folder.path().join("assets")),
            spool: tasks::Spool::open(&folder.path().join(spool), 1 << 20).unwrap(),
            settings: settings.clone(),
        };
        let registry = prometheus::Registry::new();
        let shared = Shared::new(parts, &registry).await.unwrap();
        let service = TaskService::new(Arc::clone(&shared));
        Self { service, shared, store, limiter, registry, setup, accounts, settings, folder, ahead }
    }

    /// From now on another setup counts: the one of the start, changed.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Setup)) {
        let mut setup = setup_of(&self.accounts);
        change(&mut setup);
        self.setup.replace(setup);
    }

    /// The same folder and upstreams in a new process, as far as the code can tell.
    pub(crate) async fn restart(self) -> Self {
        let Self { service, shared, store, accounts, settings, folder, .. } = self;
        drop((service, shared));
        // A worker that was told to stop lets go of it when its runtime comes to it.
        let alone = async {
            while Arc::strong_count(&store) > 1 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, alone).await.expect("the worker has been stopped");
        drop(Arc::into_inner(store).expect("nothing else holds the store"));
        Self::open(accounts, settings, folder).await
    }

    /// The sum of the series of that counter that have a label of that value.
    pub(crate) fn counted(&self, name: &str, label: &str) -> f64 {
        let families = self.registry.gather();
        let series =
            families.iter().filter(|family| family.name() == name).flat_map(|family| family.get_metric());
        let of_label = series.filter(|metric| metric.get_label().iter().any(|pair| pair.value() == label));
        of_label.map(|metric| metric.get_counter().get_value()).sum()
    }

    /// How many tasks wait for that account, as operators see it.
    pub(crate) fn queued(&self, account: &str) -> f64 {
        let families = self.registry.gather();
        let queued = families.iter().filter(|family| family.name() == "filmgate_queue_tasks");
        let series = queued.flat_map(|family| family.get_metric());
        let of_account =
            series.filter(|metric| metric.get_label().iter().any(|pair| pair.value() == account));
        of_account.map(|metric| metric.get_gauge().get_value()).sum()
    }

    /// Whether an account stands so, as operators see it.
    pub(crate) fn stands(&self, account: &str, standing: &str) -> bool {
        let families = self.registry.gather();
        let stands = families.iter().filter(|family| family.name() == "filmgate_account_standing");
        let of_both = stands.flat_map(|family| family.get_metric()).filter(|metric| {
            [account, standing]
                .iter()
                .all(|value| metric.get_label().iter().any(|pair| pair.value() == *value))
        });
        of_both.map(|metric| metric.get_gauge().get_value()).sum::<f64>() > 0.0
    }

    /// Waits until so many tasks wait for that account.
    pub(crate) async fn until_queued(&self, account: &str, expected: f64) {
        let look = async {
            while self.queued(account) != expected {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.expect("so many tasks wait");
    }

    /// The folder in which media is kept.
    pub(crate) fn assets(&self) -> PathBuf {
        self.folder.path().join("assets")
    }

    /// How many files of media are kept.
    pub(crate) fn files(&self) -> usize {
        fn below(folder: &std::path::Path) -> usize {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| if entry.path().is_dir() { below(&entry.path()) } else { 1 }).sum()
        }
        below(&self.folder.path().join("assets"))
    }

    pub(crate) fn work(&self) -> Working {
        let worker = Worker::new(Arc::clone(&self.shared));
        Working(tokio::spawn(worker.run(std::future::pending())).abort_handle())
    }

    /// The same until it is told to stop.
    pub(crate) fn work_until_told(&self) -> (Arc<Notify>, JoinHandle<()>) {
        let stop = Arc::new(Notify::new());
        let worker = Worker::new(Arc::clone(&self.shared));
        let told = Arc::clone(&stop);
        (stop, tokio::spawn(worker.run(async move { told.notified().await })))
    }

    /// Watches ended tasks.
    pub(crate) fn watch(&self) -> Working {
        let watcher = LateWatcher::new(Arc::clone(&self.shared));
        Working(tokio::spawn(watcher.run(std::future::pending())).abort_handle())
    }

    /// The same in a new process that watches ended tasks for that long.
    pub(crate) async fn watching_for(mut self, watch: Duration) -> Self {
        self.settings.late.watch = watch;
        self.restart().await
    }

    /// Deletes what is past its time.
    pub(crate) fn sweep(&self) -> Working {
        let sweeper = Sweeper::new(Arc::clone(&self.shared));
        Working(tokio::spawn(sweeper.run(std::future::pending())).abort_handle())
    }

    /// What processes leave that die each time they take a step with a task, which nobody else is due with.
    pub(crate) async fn crash(&self, id: &TaskId, times: u32) {
        for _time in 0..times {
            let claims = self.store.claim_due("the dead", Duration::from_millis(1), 10).await.unwrap();
            let claim = claims.into_iter().find(|claim| claim.task.id == *id).expect("the task is due");
            self.store.crashed(&(claim.task.id, claim.epoch), Duration::ZERO).await.unwrap();
        }
    }

    pub(crate) async fn accept(&self) -> Task {
        self.service.create(&client("owner"), "v2", draft(), None).await.unwrap().task
    }

    pub(crate) async fn until(&self, id: &TaskId, reached: impl Fn(&Task) -> bool) -> Arc<Task> {
        let look = async {
            loop {
                let task = self.service.get(&client("owner"), id, None).await.unwrap();
                if reached(&task) {
                    return task;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.expect("the task gets there")
    }

    pub(crate) async fn ended(&self, id: &TaskId) -> Arc<Task> {
        self.until(id, |task| task.state.is_terminal()).await
    }

    /// What a process leaves that dies between storing the intent and the answer.
    pub(crate) async fn intend_and_die(&self, id: &TaskId) {
        self.leave(id, &[self.intent()]).await;
    }

    /// What a process leaves that dies while an upstream works.
    pub(crate) async fn run_and_die(&self, id: &TaskId, handle: &str) {
        self.leave(id, &[self.intent(), TaskEvent::Accepted { handle: handle.into() }]).await;
    }

    async fn leave(&self, id: &TaskId, events: &[TaskEvent]) {
        let claims = self.store.claim_due("the dead", Duration::from_millis(1), 10).await.unwrap();
        let claim = claims.into_iter().find(|claim| claim.task.id == *id).expect("the task is due");
        let mut task = claim.task;
        for event in events {
            task.apply(event.clone(), Timestamp::from_millis(1)).unwrap();
        }
        let next = Next::Keep { lease: Duration::from_millis(1) };
        self.store.advance(&task, claim.epoch, next, None).await.unwrap();
    }

    fn intent(&self) -> TaskEvent {
        let Account { name, provider, .. } = self.accounts[0].clone();
        TaskEvent::SubmitIntended {
            plan: NewAttempt {
                account: name,
                provider,
                upstream_model: MODEL.into(),
                account_version: String::new(),
            },
        }
    }
}
