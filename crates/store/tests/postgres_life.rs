//! What the store on PostgreSQL promises besides the suite: it refuses a server that forgets, neither loses nor doubles what
//! a lost connection leaves in doubt, comes back by itself, and tells other gateways what has changed.
#![expect(clippy::unwrap_used, reason = "a test, where a panic is the report")]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use domain::{Credential, GenerationRequest, OwnerId, Quote, Scope, Task, TaskId, TaskState, Timestamp};
use store::postgres_server::{DURABLE, Listen, PostgresServer};
use store::{
    Admission, IdempotencyKey, Next, Nudge, PostgresSettings, PostgresStore, Store, StoreError, Tasks, Terms,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const AT: Timestamp = Timestamp::from_millis(1_763_700_000_000);
const LEASE: Duration = Duration::from_secs(60);
const LOCALHOST: Listen = Listen::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));

fn task(id: &str) -> Task {
    Task {
        id: TaskId::new(id),
        owner: OwnerId::new("ann"),
        dialect: "v2".into(),
        request: GenerationRequest::new(Scope::Videos, "veo3.1", "a cat"),
        state: TaskState::Queued,
        attempts: vec![],
        created_at: AT,
        deadline_at: AT.plus(Duration::from_secs(3600)),
        quote: Quote::default(),
        version: 0,
    }
}

fn unlimited() -> Terms {
    Terms::concurrent_tasks(u32::MAX)
}

fn at(url: String) -> PostgresSettings {
    PostgresSettings { allow_unsafe_server: true, ..PostgresSettings::new(Credential::new(url)) }
}

/// How many live tasks the owner has, by the count that limits go by.
async fn counted(store: &PostgresStore) -> u32 {
    match store.create(&task("one too many"), &Terms::concurrent_tasks(0)).await.unwrap() {
        Admission::AtLimit { live } => live,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_that_would_forget_is_refused() {
    let strict = |server: &PostgresServer| PostgresSettings::new(Credential::new(server.url()));
    let server = PostgresServer::start(Listen::Socket, &DURABLE);
    let store = PostgresStore::open(strict(&server)).await.unwrap();
    store.ping().await.unwrap();
    let (client, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("ALTER ROLE postgres SET synchronous_commit = off").await.unwrap();
    let refused = PostgresStore::open(strict(&server)).await.unwrap_err();
    assert!(refused.to_string().contains("synchronous_commit = off"), "{refused}");

    let careless = PostgresServer::start(Listen::Socket, &[]);
    let refused = PostgresStore::open(strict(&careless)).await.unwrap_err();
    assert!(refused.to_string().contains("fsync = off"), "{refused}");
}

#[tokio::test]
async fn a_schema_that_is_too_old_is_refused_and_a_newer_one_is_not() {
    let server = PostgresServer::start(Listen::Socket, &[]);
    let by_hand = PostgresSettings { migrate_at_start: false, ..at(server.url()) };
    let refused = PostgresStore::open(by_hand.clone()).await.unwrap_err();
    assert!(refused.to_string().contains("filmgate migrate"), "{refused}");
    assert!(!PostgresStore::migrations_missing(&by_hand).await.unwrap().is_empty());

    let mut opens = JoinSet::new();
    for _gateway in 0..6 {
        opens.spawn(PostgresStore::open(at(server.url())));
    }
    for opened in opens.join_all().await {
        opened.unwrap().ping().await.unwrap();
    }
    assert!(PostgresStore::migrate(&by_hand).await.unwrap().is_empty(), "it was done once");

    let (client, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let newer = "INSERT INTO refinery_schema_history SELECT 9999, 'newer', applied_on, checksum
                 FROM refinery_schema_history WHERE version = 1";
    client.batch_execute(newer).await.unwrap();
    for settings in [by_hand, at(server.url())] {
        PostgresStore::open(settings).await.unwrap().ping().await.unwrap();
    }
    let rewritten = client
        .batch_execute(
            "INSERT INTO ledger (task_id, kind, amount, owner, model, at)
        VALUES ('t', 'reserve', 1, 'ann', 'm', 0); UPDATE ledger SET amount = 2",
        )
        .await;
    assert!(rewritten.is_err(), "the ledger is append-only");
}

#[tokio::test]
async fn gateways_share_the_first_secret() {
    let server = PostgresServer::start(Listen::Socket, &[]);
    let (one, two) = (
        PostgresStore::open(at(server.url())).await.unwrap(),
        PostgresStore::open(at(server.url())).await.unwrap(),
    );
    let (first, second) = tokio::join!(one.shared_secret("key", [1; 32]), two.shared_secret("key", [2; 32]));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first, second);
    assert_eq!(two.shared_secret("key", [3; 32]).await.unwrap(), first);
    assert_eq!(two.shared_secret("other", [3; 32]).await.unwrap(), [3; 32]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_while_the_database_restarts() {
    let mut server = PostgresServer::start(LOCALHOST, &[]);
    let store = Arc::new(PostgresStore::open(at(server.network_url())).await.unwrap());
    let (mut answers, mut number) = (BTreeMap::new(), 0);
    for _restart in 0..3 {
        let mut creates = JoinSet::new();
        for _task in 0..100 {
            number += 1;
            let (store, id) = (Arc::clone(&store), format!("task-{number}"));
            creates.spawn(async move {
                let answer = store.create(&task(&id), &unlimited()).await;
                (id, answer)
            });
            if number % 100 == 50 {
                server.stop_at_once();
            }
            tokio::task::yield_now().await;
        }
        let away = store.create(&task("while it is away"), &unlimited()).await;
        assert!(away.is_err(), "{away:?}");
        server.start_again();
        answers.extend(creates.join_all().await);
        while store.ping().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let mut stored = 0;
    for (id, answer) in answers {
        let is_there = store.load(&TaskId::new(&*id)).await.unwrap().is_some();
        stored += u32::from(is_there);
        match answer {
            Ok(admission) => assert_eq!((admission, is_there), (Admission::Admitted, true), "{id}"),
            Err(StoreError::Unavailable(_)) => assert!(!is_there, "{id} was refused and is there"),
            Err(_nobody_knows) => {}
        }
    }
    assert_eq!(counted(&store).await, stored, "each that is there has taken one slot");
}

/// Cuts connections at a commit: never, before the server has it, or before the client hears of it. Or those that there are
/// stay open and pass nothing any more, as when a server has lost its power.
const NEVER: u8 = 0;
const BEFORE: u8 = 1;
const AFTER: u8 = 2;
const SILENT: u8 = 3;
/// What ends a statement that only says this, and what the server answers to it.
const COMMIT: &[u8] = b"COMMIT\0";

/// A way to the server that can be cut at the next commit, once.
async fn cut_at_commit(server: &str, cut: Arc<AtomicU8>) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url: url::Url = server.parse().unwrap();
    let port = url.port().unwrap();
    let own = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
            tokio::spawn(pass(client, server, Arc::clone(&cut)));
        }
    });
    server.replace(&format!(":{port}/"), &format!(":{own}/"))
}

/// Until one of both hangs up, or it is cut.
async fn pass(mut client: TcpStream, mut server: TcpStream, cut: Arc<AtomicU8>) {
    let is_new = cut.load(Ordering::SeqCst) == SILENT;
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let holds = |bytes: &[u8]| bytes.windows(COMMIT.len()).any(|window| window == COMMIT);
    let is_cut = |at: u8| cut.compare_exchange(at, NEVER, Ordering::SeqCst, Ordering::SeqCst).is_ok();
    loop {
        tokio::select! {
            read = client.read(&mut up) => match read {
                _ if !is_new && cut.load(Ordering::SeqCst) == SILENT => std::future::pending().await,
                Ok(count @ 1..) if !(holds(&up[..count]) && is_cut(BEFORE)) => {
                    if server.write_all(&up[..count]).await.is_err() { return; }
                }
                _ => return,
            },
            read = server.read(&mut down) => match read {
                Ok(count @ 1..) if !(holds(&down[..count]) && is_cut(AFTER)) => {
                    if client.write_all(&down[..count]).await.is_err() { return; }
                }
                _ => return,
            },
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_without_an_answer_counts_once() {
    let server = PostgresServer::start(LOCALHOST, &[]);
    let cut = Arc::new(AtomicU8::new(NEVER));
    let url = cut_at_commit(&server.network_url(), Arc::clone(&cut)).await;
    let store = PostgresStore::open(at(url)).await.unwrap();
    for (live, moment) in [(1, BEFORE), (2, AFTER)] {
        let name = format!("task-{moment}");
        let idempotency = IdempotencyKey { key: name.clone(), fingerprint: [1; 32], lifetime: LEASE };
        let terms = Terms { idempotency: Some(idempotency), ..unlimited() };
        cut.store(moment, Ordering::SeqCst);
        assert_eq!(store.create(&task(&name), &terms).await.unwrap(), Admission::Admitted, "{moment}");
        assert_eq!(cut.load(Ordering::SeqCst), NEVER, "it was cut");
        assert_eq!(counted(&store).await, live);

        let claim = store.claim_due("me", LEASE, 1).await.unwrap().remove(0);
        let mut changed = claim.task.clone();
        changed.apply(domain::TaskEvent::Cancelled, AT).unwrap();
        let next = Next::Due { after: Duration::ZERO };
        cut.store(moment, Ordering::SeqCst);
        assert_eq!(store.advance(&changed, claim.epoch, next, None).await.unwrap(), 1, "{moment}");
        assert_eq!(cut.load(Ordering::SeqCst), NEVER, "it was cut");
        let stored = store.load(&claim.task.id).await.unwrap().unwrap();
        assert_eq!((stored.version, stored.state.is_terminal()), (1, true));
        let again = store.advance(&changed, claim.epoch, next, None).await;
        assert!(matches!(again, Err(StoreError::Stale)), "{again:?}");
        assert_eq!(counted(&store).await, live - 1);
        store.create(&task(&format!("in its place {moment}")), &unlimited()).await.unwrap();
        store.claim_due("me", LEASE, 9).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_fall_silent_are_given_up_together() {
    let server = PostgresServer::start(LOCALHOST, &[]);
    let cut = Arc::new(AtomicU8::new(NEVER));
    let url = cut_at_commit(&server.network_url(), Arc::clone(&cut)).await;
    let settings = PostgresSettings { statement_timeout: Duration::from_secs(2), ..at(url) };
    let store = Arc::new(PostgresStore::open(settings).await.unwrap());
    let claims = async || {
        let mut claims = JoinSet::new();
        for _at_once in 0..8 {
            let store = Arc::clone(&store);
            claims.spawn(async move { store.claim_due("me", LEASE, 1).await });
        }
        claims.join_all().await
    };
    let connections = "SELECT COUNT(*) FROM pg_stat_activity WHERE backend_type = 'client backend'";
    let (client, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    while client.query_one(connections, &[]).await.unwrap().get::<_, i64>(0) < 5 {
        claims().await;
    }
    cut.store(SILENT, Ordering::SeqCst);
    assert_eq!(store.create(&task("a"), &unlimited()).await.unwrap(), Admission::Admitted);
    assert!(claims().await.iter().all(Result::is_ok), "one silence told of the others");
    assert_eq!(counted(&store).await, 1);
}

#[tokio::test]
async fn gateways_hear_of_each_others_changes() {
    let server = PostgresServer::start(Listen::Socket, &[]);
    let (one, two) = (
        PostgresStore::open(at(server.url())).await.unwrap(),
        PostgresStore::open(at(server.url())).await.unwrap(),
    );
    let (mut heard, mut own) = (two.nudges().unwrap(), one.nudges().unwrap());
    one.create(&task("a"), &unlimited()).await.unwrap();
    let claim = one.claim_due("me", LEASE, 1).await.unwrap().remove(0);
    // Nobody is told of what changed before both listened, so it changes until it is heard.
    let (mut version, mut is_due, mut is_changed) = (claim.task.version, false, false);
    while !(is_due && is_changed) {
        let task = Task { version, ..claim.task.clone() };
        version = one.advance(&task, claim.epoch, Next::Keep { lease: LEASE }, None).await.unwrap();
        one.make_due(&claim.task.id).await.unwrap();
        while let Ok(Ok(nudge)) = tokio::time::timeout(Duration::from_millis(100), heard.recv()).await {
            is_due |= nudge == Nudge::Due;
            is_changed |= nudge == Nudge::Changed(claim.task.id.clone());
        }
    }
    assert!(own.try_recv().is_err(), "nobody is told of what it has changed itself");
}

#[tokio::test]
async fn certificates_are_checked() {
    let server = PostgresServer::start(LOCALHOST, &[]);
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (data, folder) = (server.folder().join("data"), tempfile::tempdir().unwrap());
    let owner = std::fs::metadata(&data).unwrap();
    for (name, text) in [("server.crt", made.cert.pem()), ("server.key", made.signing_key.serialize_pem())] {
        std::fs::write(data.join(name), text).unwrap();
        std::fs::set_permissions(data.join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
        chown(data.join(name), Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    let (client, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("ALTER SYSTEM SET ssl = on").await.unwrap();
    client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, made.cert.pem()).unwrap();

    let url = server.network_url().replace("127.0.0.1", "localhost").replace("=disable", "=verify-full");
    let trusting = PostgresSettings { ca_file: Some(ca_file), ..at(url.clone()) };
    let store = loop {
        match PostgresStore::open(trusting.clone()).await {
            Ok(store) => break store,
            // The server is still reading its settings.
            Err(error) if error.to_string().contains("does not support TLS") => {
                tokio::task::yield_now().await
            }
            Err(error) => panic!("{error}"),
        }
    };
    store.ping().await.unwrap();
    let is_encrypted = "SELECT COUNT(*) FROM pg_stat_ssl WHERE ssl";
    let encrypted: i64 = client.query_one(is_encrypted, &[]).await.unwrap().get(0);
    assert!(encrypted > 0);
    let refused = PostgresStore::open(at(url)).await.unwrap_err();
    assert!(refused.to_string().contains("certificate"), "{refused}");
}
