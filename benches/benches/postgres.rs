//! Durable accepts by the store on PostgreSQL, beside the embedded store and beside the least that the same server can be
//! asked for: batches of rows by one `INSERT … unnest`, in one run.
//!
//! `cargo bench -p benches --bench postgres`. The server is started for this, with `fsync` on. CPU is that of this process
//! and of all processes of the server together.
#![expect(clippy::print_stdout, reason = "a measurement prints its figures")]

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use benches::fsync;
use benches::load::Round;
use benches::report::{HEAD, Series};
use domain::{Credential, GenerationRequest, OwnerId, Quote, Scope, Task, TaskId, TaskState, Timestamp};
use store::postgres_server::{DURABLE, Listen, PostgresServer};
use store::{PostgresSettings, PostgresStore, SqliteSettings, SqliteStore, Tasks, Terms};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::NoTls;

const CLIENTS: usize = 256;
const BATCH_MAX: usize = 512;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
/// The kernel counts CPU time in these.
const TICK: Duration = Duration::from_millis(10);
const AT: Timestamp = Timestamp::from_millis(1_763_700_000_000);

fn main() -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure())
}

async fn measure() -> anyhow::Result<()> {
    let server = PostgresServer::start(Listen::Socket, &[DURABLE[0], DURABLE[1], "shared_buffers=128MB"]);
    let folder = tempfile::tempdir_in(".")?;
    let postgres = PostgresStore::open(PostgresSettings::new(Credential::new(server.url()))).await?;
    let sqlite = SqliteStore::open(folder.path().join("store.db"), SqliteSettings::default())?;
    let subjects: [Subject; 3] = [
        Subject::Bare(bare(&server.url()).await?),
        Subject::Store(Arc::new(postgres)),
        Subject::Store(Arc::new(sqlite)),
    ];
    let mut series: [Series; 3] = Default::default();
    for _round in 0..ROUNDS {
        for (series, subject) in series.iter_mut().zip(&subjects) {
            let before = cpu(&server)?;
            let round = accept(subject).await?;
            series.push(round, cpu(&server)?.saturating_sub(before));
        }
    }
    println!(
        "\n{CLIENTS} clients, {ROUNDS} rounds of {ROUND:?} in turns; medians\n\n{}",
        HEAD.replace("echo", "bare")
    );
    let [bare, postgres, sqlite] = &series;
    println!("{}", bare.row("rows by unnest, PostgreSQL", bare));
    println!("{}", postgres.row("accepts, PostgreSQL", bare));
    println!("{}", sqlite.row("accepts, embedded", bare));
    println!("\none fsync: {:?} (median)", fsync::median_sync(folder.path(), 500)?);
    Ok(())
}

/// What takes new tasks.
#[derive(Clone)]
enum Subject {
    Bare(mpsc::Sender<(Task, oneshot::Sender<()>)>),
    Store(Arc<dyn Tasks>),
}

/// All clients make tasks, each one after another.
async fn accept(subject: &Subject) -> anyhow::Result<Round> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let begun = Instant::now();
    let client = |subject: Subject| async move {
        let mut latencies = Vec::new();
        while begun.elapsed() < ROUND {
            let task = task(NUMBER.fetch_add(1, Ordering::Relaxed));
            let asked = Instant::now();
            match &subject {
                Subject::Store(store) => drop(store.create(&task, &Terms::concurrent_tasks(u32::MAX)).await?),
                Subject::Bare(queue) => {
                    let (reply, answered) = oneshot::channel();
                    queue.send((task, reply)).await.ok().context("the writer has stopped")?;
                    answered.await?;
                }
            }
            latencies.push(asked.elapsed());
        }
        anyhow::Ok(latencies)
    };
    let clients: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(client(subject.clone()))).collect();
    let mut latencies = Vec::new();
    for client in clients {
        latencies.extend(client.await??);
    }
    latencies.sort_unstable();
    Ok(Round { answered: latencies.len() as u64, lasted: begun.elapsed(), latencies })
}

fn task(number: u64) -> Task {
    Task {
        id: TaskId::new(format!("0193{number:028x}")),
        owner: OwnerId::new(format!("owner-{}", number % 16)),
        dialect: "v2".into(),
        request: GenerationRequest::new(
            Scope::Videos,
            "veo3.1",
            "a cat surfing in sunset, cinematic, ".repeat(8),
        ),
        state: TaskState::Queued,
        attempts: vec![],
        created_at: AT,
        deadline_at: AT.plus(Duration::from_secs(3600)),
        quote: Quote::default(),
        version: 0,
    }
}

/// One connection that stores an id and a request of each in a table with one index, as many as wait.
async fn bare(url: &str) -> anyhow::Result<mpsc::Sender<(Task, oneshot::Sender<()>)>> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    let table =
        "CREATE TABLE bare (id TEXT PRIMARY KEY, due_at BIGINT, request TEXT); CREATE INDEX ON bare (due_at)";
    client.batch_execute(table).await?;
    let insert =
        "INSERT INTO bare SELECT id, 0, request FROM unnest($1::text[], $2::text[]) AS new (id, request)";
    let insert = client.prepare(insert).await?;
    let (queue, mut queued) = mpsc::channel::<(Task, oneshot::Sender<()>)>(4096);
    tokio::spawn(async move {
        let mut batch = Vec::new();
        while queued.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let ids: Vec<&str> = batch.iter().map(|(task, _)| task.id.as_str()).collect();
            let requests: Vec<String> =
                batch.iter().filter_map(|(task, _)| serde_json::to_string(&task.request).ok()).collect();
            if client.execute(&insert, &[&ids, &requests]).await.is_err() {
                return;
            }
            for (_, reply) in batch.drain(..) {
                let _nobody_waits_any_more = reply.send(());
            }
        }
    });
    Ok(queue)
}

/// CPU time used so far by this process and by those of the server, also those that have ended.
fn cpu(server: &PostgresServer) -> anyhow::Result<Duration> {
    let postmaster = server.pid().context("the server runs")?;
    let mut ticks = 0;
    for process in fs::read_dir("/proc")? {
        let path = process?.path().join("stat");
        let Ok(stat) = fs::read_to_string(&path) else { continue };
        let (Some(id), Some(rest)) = (stat.split(' ').next(), stat.rsplit(") ").next()) else { continue };
        let fields: Vec<u64> = rest.split(' ').map(|field| field.parse().unwrap_or_default()).collect();
        let (id, parent): (u32, u64) = (id.parse()?, fields[1]);
        if id == std::process::id() || id == postmaster || parent == u64::from(postmaster) {
            ticks += fields[11] + fields[12];
        }
        if id == postmaster {
            ticks += fields[13] + fields[14]; // those of its children that have ended
        }
    }
    Ok(TICK * u32::try_from(ticks)?)
}
