//! What only the embedded back end promises: one server, restarts that go on at once, and nothing lost to `kill -9`.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Lines, Write, stdout};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use domain::{GenerationRequest, OwnerId, Scope, Task, TaskId, TaskState, Timestamp};
use store::{Admission, SqliteSettings, SqliteStore, Store, StoreError, Tasks, Terms};
use tempfile::TempDir;
use tokio::task::JoinSet;

const HOUR: Duration = Duration::from_secs(3600);

/// Set for the process that is killed; names its database.
const VICTIM: &str = "STORE_TEST_VICTIM_DATABASE";

#[test]
fn a_second_server_is_refused() {
    let (_dir, path) = place();
    assert!(!SqliteStore::is_served(&path).unwrap());
    let first = serve(&path);
    assert!(SqliteStore::is_served(&path).unwrap());
    let second = SqliteStore::open_exclusive(&path, SqliteSettings::default());
    let Err(StoreError::Unavailable(text)) = second else { panic!("refused: {second:?}") };
    assert!(text.contains("another server") && text.contains("store.sqlite"), "{text}");
    drop(first);
    assert!(!SqliteStore::is_served(&path).unwrap());
    serve(&path);
}

#[tokio::test]
async fn the_command_line_works_beside_a_server() {
    let (_dir, path) = place();
    let server = serve(&path);
    let beside = SqliteStore::open(&path, SqliteSettings::default()).unwrap();
    beside.create(&task("from beside"), &Terms::concurrent_tasks(10)).await.unwrap();
    assert!(server.load(&TaskId::new("from beside")).await.unwrap().is_some());
    assert_eq!(claimed(&*server).await, ["from beside"]);
    let another = SqliteStore::open(&path, SqliteSettings::default()).unwrap();
    assert!(claimed(&another).await.is_empty(), "opening beside a server leaves its leases alone");
}

#[tokio::test]
async fn a_restart_ends_the_leases_of_the_server_before() {
    let (_dir, path) = place();
    let before = serve(&path);
    before.create(&task("a"), &Terms::concurrent_tasks(10)).await.unwrap();
    let claim = before.claim_due("before", HOUR, 10).await.unwrap().remove(0);
    drop(before);
    let after = serve(&path);
    assert_eq!(after.next_due_in().await.unwrap(), Some(Duration::ZERO));
    let again = after.claim_due("after", HOUR, 10).await.unwrap().remove(0);
    assert!(again.epoch > claim.epoch);
}

#[tokio::test]
async fn a_task_that_cannot_be_read_does_not_stop_the_others() {
    let (_dir, path) = place();
    let store = serve(&path);
    for id in ["broken", "whole"] {
        store.create(&task(id), &Terms::concurrent_tasks(10)).await.unwrap();
    }
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute("UPDATE tasks SET state_data = '{}' WHERE id = 'broken'", []).unwrap();
    assert_eq!(claimed(&*store).await, ["whole"]);
    let broken = store.load(&TaskId::new("broken")).await;
    assert!(matches!(broken, Err(StoreError::Corrupt(text)) if text.contains("broken")));
}

/// It is as it was, and nobody holds it, so that who can read it has it at once; and it is not looked at again and again.
#[tokio::test]
async fn a_task_in_a_state_of_a_later_version_is_left_alone() {
    let (_dir, path) = place();
    let store = serve(&path);
    let other = rusqlite::Connection::open(&path).unwrap();
    for id in ["later", "known"] {
        store.create(&task(id), &Terms::concurrent_tasks(10)).await.unwrap();
    }
    let later =
        r#"UPDATE tasks SET state = 'rendering', state_data = '{"state":"rendering"}' WHERE id = 'later'"#;
    other.execute(later, []).unwrap();
    let stored = || -> (String, u64, u32, Option<String>) {
        let sql = "SELECT state_data, version, crashes, lease_holder FROM tasks WHERE id = 'later'";
        let columns = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        other.query_row(sql, [], columns).unwrap()
    };
    let before = stored();
    let first = store.claim_due("worker", HOUR, 1).await.unwrap();
    let second = store.claim_due("worker", HOUR, 1).await.unwrap();
    assert_eq!(
        [first.len(), second.len()],
        [0, 1],
        "the oldest due is given back, and leaves room for others"
    );
    assert_eq!(second[0].task.id, TaskId::new("known"));
    assert_eq!(stored(), before);
    assert!(store.next_due_in().await.unwrap() > Some(Duration::ZERO), "nobody waits for it");
    other.execute(r#"UPDATE tasks SET state = 'queued', state_data = '{"state":"queued"}', version = 1 WHERE id = 'later'"#, []).unwrap();
    assert_eq!(claimed(&*store).await, ["later"], "whoever could read it has brought it on");
}

#[test]
fn a_database_of_a_newer_version_is_refused() {
    let (_dir, path) = place();
    drop(serve(&path));
    let other = rusqlite::Connection::open(&path).unwrap();
    let sql = "INSERT INTO refinery_schema_history VALUES (1000, 'later', '2030-01-01T00:00:00Z', '1')";
    other.execute(sql, []).unwrap();
    let opened = SqliteStore::open(&path, SqliteSettings::default());
    assert!(matches!(opened, Err(StoreError::Backend { operation: "bringing the schema up to date", .. })));
}

#[tokio::test]
async fn kill_9_loses_nothing_that_was_answered() {
    if let Ok(path) = std::env::var(VICTIM) {
        return create_until_killed(Path::new(&path)).await;
    }
    let (_dir, path) = place();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["kill_9_loses_nothing_that_was_answered", "--exact", "--nocapture"])
        .env(VICTIM, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let mut answered = answers(&mut lines, 200);
    victim.kill().unwrap();
    victim.wait().unwrap();
    answered.extend(answers(&mut lines, usize::MAX));

    let store = serve(&path);
    let stored: HashSet<String> = claimed(&*store).await.into_iter().collect();
    assert!(answered.len() >= 200);
    assert!(answered.is_subset(&stored), "lost: {:?}", answered.difference(&stored));
    let live: u64 = store.live_tasks().await.unwrap().iter().map(|(_, count)| count).sum();
    let over =
        store.create(&task("over"), &Terms::concurrent_tasks(u32::try_from(live).unwrap())).await.unwrap();
    assert!(matches!(over, Admission::AtLimit { .. }), "the count of slots is that of the tasks");
}

/// The victim: creates and claims tasks as fast as it can and says which were answered.
async fn create_until_killed(path: &Path) {
    let store = serve(path);
    let mut creators = JoinSet::new();
    for creator in 0..16 {
        let store = Arc::clone(&store);
        creators.spawn(async move {
            for number in 0..10_000 {
                let id = format!("{creator}-{number}");
                store.create(&task(&id), &Terms::concurrent_tasks(u32::MAX)).await.expect("create");
                store.claim_due("victim", HOUR, 1).await.expect("claim");
                writeln!(stdout(), "\nanswered {id}").expect("the parent listens");
            }
        });
    }
    creators.join_all().await;
}

fn answers(lines: &mut Lines<BufReader<ChildStdout>>, max: usize) -> HashSet<String> {
    let answered = |line: String| line.strip_prefix("answered ").map(str::to_owned);
    lines.by_ref().map_while(Result::ok).filter_map(answered).take(max).collect()
}

fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("store.sqlite");
    (dir, path)
}

fn serve(path: &Path) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open_exclusive(path, SqliteSettings::default()).expect("open"))
}

async fn claimed(store: &dyn Store) -> Vec<String> {
    let claims = store.claim_due("worker", HOUR, usize::MAX).await.expect("claim");
    claims.iter().map(|claim| claim.task.id.as_str().to_owned()).collect()
}

fn task(id: &str) -> Task {
    Task {
        id: TaskId::new(id),
        owner: OwnerId::new("ann"),
        dialect: "v2".into(),
        request: GenerationRequest::new(Scope::Videos, "veo3.1", "a cat"),
        state: TaskState::Queued,
        attempts: Vec::new(),
        created_at: Timestamp::from_millis(0),
        deadline_at: Timestamp::from_millis(1),
        quote: domain::Quote::default(),
        version: 0,
    }
}
