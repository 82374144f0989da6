//! What was accepted: one line of JSON for each submit, on disk before the answer. One thread writes; it takes all
//! lines that wait into one sync. Only the tasks stay in memory; request bodies are on disk alone.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::sync::{mpsc, oneshot};

use crate::faults::CallFault;
use crate::task::Task;

const FILE: &str = "ledger.jsonl";
/// Lines that may wait for the writer; more wait outside.
const WAITING_MAX: usize = 1024;
/// The longest request body that a line keeps as it came, in bytes of JSON.
const BODY_KEPT_MAX: usize = 64 * 1024;
/// What a longer body keeps of each of its texts, in characters.
const TEXT_KEPT_MAX: usize = 256;

/// One line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    #[serde(flatten)]
    pub(crate) task: Task,
    /// What went wrong with the answer to the submit; `null` if it was given.
    pub(crate) answer_fault: Option<CallFault>,
    /// The request, see [`bounded`].
    pub(crate) body: Value,
}

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file cannot be read, written or synced.
    #[error("{action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Another sandbox uses the same folder.
    #[error("{} is in use by another sandbox", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A line before the last is not ours.
    #[error("{} line {line} is not an entry of the ledger", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Why it cannot be read.
        source: serde_json::Error,
    },
    /// The writer has ended.
    #[error("the ledger is closed")]
    Closed,
}

/// The ledger, open. Its writer ends when the last handle is dropped.
pub(crate) struct Ledger {
    path: PathBuf,
    waiting: mpsc::Sender<Waiting>,
    published: Arc<Published>,
}

/// What is on disk for certain.
#[derive(Default)]
struct Published {
    tasks: RwLock<Tasks>,
    bytes: AtomicU64,
}

#[derive(Default)]
struct Tasks {
    by_id: HashMap<String, Arc<Task>>,
    /// By the name of the API and the caller's own.
    by_name: HashMap<(String, String), Arc<Task>>,
}

impl Tasks {
    fn insert(&mut self, task: Task) {
        let task = Arc::new(task);
        if let Some(name) = &task.own_name {
            self.by_name.insert((task.api.clone(), name.text.clone()), Arc::clone(&task));
        }
        self.by_id.insert(task.id.clone(), task);
    }
}

struct Waiting {
    line: Vec<u8>,
    task: Task,
    done: oneshot::Sender<io::Result<()>>,
}

impl Ledger {
    /// Opens the ledger in `folder`, which must exist, and reads it. Blocks. A last line that broke off was never
    /// answered for, so it is taken off. The handle of the writer is there to be joined after the last drop.
    pub(crate) fn open(folder: &Path) -> Result<(Self, JoinHandle<()>), LedgerError> {
        let path = folder.join(FILE);
        let fail = |action| {
            let path = path.clone();
            move |source| LedgerError::Io { action, path, source }
        };
        let mut options = OpenOptions::new();
        let file =
            options.read(true).append(true).create(true).open(&path).map_err(fail("opening the ledger"))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(LedgerError::InUse { path: path.clone() }),
            Err(TryLockError::Error(source)) => return Err(fail("locking the ledger")(source)),
            Ok(()) => {}
        }
        let (tasks, bytes) = read(&file, &path)?;
        file.set_len(bytes).map_err(fail("mending the ledger"))?;
        let published = Arc::new(Published { tasks: RwLock::new(tasks), bytes: AtomicU64::new(bytes) });
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let writer = Writer { file, published: Arc::clone(&published) };
        let thread = std::thread::Builder::new()
            .name("sandbox-ledger".into())
            .spawn(move || writer.run(receiver))
            .map_err(fail("starting the writer of"))?;
        Ok((Self { path, waiting: sender, published }, thread))
    }

    /// Writes a line; returns when it is on disk.
    pub(crate) async fn append(&self, entry: Entry) -> Result<(), LedgerError> {
        let mut line = serde_json::to_vec(&entry).expect("an entry is plain data");
        line.push(b'\n');
        let (done, written) = oneshot::channel();
        let waiting = Waiting { line, task: entry.task, done };
        self.waiting.send(waiting).await.map_err(|_| LedgerError::Closed)?;
        let written = written.await.map_err(|_| LedgerError::Closed)?;
        written.map_err(|source| LedgerError::Io { action: "writing", path: self.path.clone(), source })
    }

    /// The task of that id.
    pub(crate) fn task(&self, id: &str) -> Option<Arc<Task>> {
        self.tasks().by_id.get(id).cloned()
    }

    /// The task of an API that its caller gave that name.
    pub(crate) fn task_named(&self, api: &str, name: &str) -> Option<Arc<Task>> {
        self.tasks().by_name.get(&(api.to_owned(), name.to_owned())).cloned()
    }

    /// The tasks of an API, oldest first.
    pub(crate) fn tasks_of(&self, api: &str) -> Vec<Arc<Task>> {
        let tasks = self.tasks();
        let mut tasks: Vec<Arc<Task>> =
            tasks.by_id.values().filter(|task| task.api == api).cloned().collect();
        tasks.sort_by(|a, b| (a.accepted_at_ms, &a.id).cmp(&(b.accepted_at_ms, &b.id)));
        tasks
    }

    fn tasks(&self) -> std::sync::RwLockReadGuard<'_, Tasks> {
        self.published.tasks.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that is on disk for certain, as lines.
    pub(crate) async fn lines(&self) -> io::Result<Vec<u8>> {
        let mut lines = Vec::new();
        let file = tokio::fs::File::open(&self.path).await?;
        file.take(self.published.bytes.load(Ordering::Acquire)).read_to_end(&mut lines).await?;
        Ok(lines)
    }
}

/// A request body as a line keeps it: whole if it is short, else with its long texts (media in base64) cut.
pub(crate) fn bounded(body: Value, bytes: usize) -> Value {
    if bytes <= BODY_KEPT_MAX {
        return body;
    }
    let cut = with_short_texts(body);
    if cut.to_string().len() <= BODY_KEPT_MAX { cut } else { Value::from(format!("({bytes} bytes)")) }
}

fn with_short_texts(value: Value) -> Value {
    match value {
        Value::String(text) => match text.char_indices().nth(TEXT_KEPT_MAX) {
            Some((end, _)) => Value::from(format!("{}... ({} bytes)", &text[..end], text.len())),
            None => Value::String(text),
        },
        Value::Array(items) => items.into_iter().map(with_short_texts).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, field)| (name, with_short_texts(field))).collect()
        }
        other => other,
    }
}

/// The tasks in `file`, and the length of its whole lines.
fn read(file: &File, path: &Path) -> Result<(Tasks, u64), LedgerError> {
    let mut reader = BufReader::new(file);
    let (mut tasks, mut bytes, mut line) = (Tasks::default(), 0, Vec::new());
    for number in 1.. {
        line.clear();
        let read = reader.read_until(b'\n', &mut line);
        let read =
            read.map_err(|source| LedgerError::Io { action: "reading", path: path.to_owned(), source })?;
        if !line.ends_with(b"\n") {
            if read > 0 {
                tracing::warn!(path = %path.display(), line = number, "took off a line that broke off");
            }
            break;
        }
        let entry: Entry = serde_json::from_slice(&line).map_err(|source| LedgerError::Damaged {
            path: path.to_owned(),
            line: number,
            source,
        })?;
        tasks.insert(entry.task);
        bytes += read as u64;
    }
    Ok((tasks, bytes))
}

struct Writer {
    file: File,
    published: Arc<Published>,
}

impl Writer {
    fn run(mut self, mut waiting: mpsc::Receiver<Waiting>) {
        while let Some(first) = waiting.blocking_recv() {
            let mut batch = vec![first];
            while let (true, Ok(next)) = (batch.len() < WAITING_MAX, waiting.try_recv()) {
                batch.push(next);
            }
            match self.write(&batch) {
                Ok(()) => self.publish(batch),
                Err(error) => self.refuse(batch, &error),
            }
        }
    }

    fn write(&mut self, batch: &[Waiting]) -> io::Result<()> {
        let lines: Vec<u8> = batch.iter().flat_map(|waiting| &waiting.line).copied().collect();
        self.file.write_all(&lines)?;
        self.file.sync_data()?;
        self.published.bytes.fetch_add(lines.len() as u64, Ordering::Release);
        Ok(())
    }

    fn publish(&self, batch: Vec<Waiting>) {
        let mut tasks = self.published.tasks.write().unwrap_or_else(PoisonError::into_inner);
        for Waiting { task, done, .. } in batch {
            tasks.insert(task);
            // A client that hung up does not listen, and its task is accepted all the same.
            let _ = done.send(Ok(()));
        }
    }

    /// Takes off what was half written, so that no line is read back that was refused.
    fn refuse(&mut self, batch: Vec<Waiting>, error: &io::Error) {
        tracing::error!(%error, lines = batch.len(), "could not write to the ledger");
        if let Err(error) = self.file.set_len(self.published.bytes.load(Ordering::Acquire)) {
            tracing::error!(%error, "could not take off what was half written to the ledger");
        }
        for waiting in batch {
            let _ = waiting.done.send(Err(io::Error::new(error.kind(), error.to_string())));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::faults::Fate;
    use crate::task::{Kind, Order, OwnName};

    fn entry(id: &str) -> Entry {
        let order = Order {
            kind: Kind::Image,
            model: "m".into(),
            prompt: "p\n".into(),
            aspect_ratio: None,
            size: Some("8x8".into()),
        };
        let task = Task {
            id: id.into(),
            api: "v2".into(),
            order,
            own_name: Some(OwnName { text: format!("name of {id}"), body_sha256: "00".into() }),
            count: 3,
            made_from: Some("earlier".into()),
            accepted_at_ms: 7,
            fate: Fate::Policy,
            generation_ms: 9,
        };
        Entry { task, answer_fault: Some(CallFault::TooMany), body: json!({ "prompt": "p\n" }) }
    }

    async fn written(folder: &Path, ids: &[&str]) {
        let (ledger, writer) = Ledger::open(folder).unwrap();
        for id in ids {
            ledger.append(entry(id)).await.unwrap();
        }
        drop(ledger);
        writer.join().unwrap();
    }

    #[tokio::test]
    async fn what_was_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path(), &["a", "b"]).await;
        let (ledger, _) = Ledger::open(folder.path()).unwrap();
        assert_eq!(*ledger.task("b").unwrap(), entry("b").task);
        assert_eq!(ledger.task("c"), None);
        assert_eq!(ledger.task_named("v2", "name of b"), ledger.task("b"));
        assert_eq!(ledger.task_named("kie", "name of b"), None);
        assert_eq!(ledger.lines().await.unwrap().iter().filter(|byte| **byte == b'\n').count(), 2);
    }

    #[tokio::test]
    async fn a_line_that_broke_off_is_taken_off() {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path(), &["a"]).await;
        let mut file = OpenOptions::new().append(true).open(folder.path().join(FILE)).unwrap();
        file.write_all(b"{\"id\":\"b\",\"api\"").unwrap();
        written(folder.path(), &["c"]).await;
        let (ledger, _) = Ledger::open(folder.path()).unwrap();
        assert!(ledger.task("a").is_some() && ledger.task("b").is_none() && ledger.task("c").is_some());
    }

    #[tokio::test]
    async fn a_damaged_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path(), &["a"]).await;
        let mut file = OpenOptions::new().append(true).open(folder.path().join(FILE)).unwrap();
        file.write_all(b"nonsense\n").unwrap();
        assert!(matches!(Ledger::open(folder.path()), Err(LedgerError::Damaged { line: 2, .. })));
    }

    #[tokio::test]
    async fn two_sandboxes_cannot_share_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let _first = Ledger::open(folder.path()).unwrap();
        assert!(matches!(Ledger::open(folder.path()), Err(LedgerError::InUse { .. })));
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_not_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        File::create(&path).unwrap();
        let published = Arc::new(Published::default());
        let writer = Writer { file: File::open(&path).unwrap(), published: Arc::clone(&published) };
        let (waiting, receiver) = mpsc::channel(1);
        std::thread::spawn(move || writer.run(receiver));
        let ledger = Ledger { path, waiting, published };
        assert!(matches!(ledger.append(entry("a")).await, Err(LedgerError::Io { action: "writing", .. })));
        assert_eq!(ledger.task("a"), None);
    }

    #[test]
    fn a_long_body_is_kept_without_its_media() {
        let media = "A".repeat(BODY_KEPT_MAX);
        let kept = bounded(json!({ "prompt": "a cat", "images": [media] }), BODY_KEPT_MAX + 40);
        assert_eq!(kept["prompt"], "a cat");
        let image = kept["images"][0].as_str().unwrap();
        assert!(image.len() < 300 && image.ends_with("... (65536 bytes)"), "{image}");
        assert_eq!(bounded(json!({ "a": media }), 10)["a"], media);
        let many = json!(vec![1; BODY_KEPT_MAX]);
        assert_eq!(bounded(many, 2 * BODY_KEPT_MAX), json!("(131072 bytes)"));
    }
}
