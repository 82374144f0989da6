//! Where an upstream's id of a task is kept while the store does not take it. It is the one fact that must not be lost:
//! the upstream works and will be paid, and without its id nobody can ask for the result.
//!
//! A file of a fixed size, written full of zeros when it is made, so that a full disk cannot refuse a record. Records are
//! appended and synced; when the store has all that is in it, the next record begins again at its start, under a new
//! generation, so that what is behind it is known to be old. A record: length of the rest, checksum, generation, number of
//! the attempt, length of the task's id, that id, the handle; numbers are little-endian.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::TaskId;
use sha2::{Digest as _, Sha256};

/// The largest record: its head, and the longest ids that there are.
const RECORD_BYTES_MAX: u64 = 2304;
/// Before the checksummed part.
const HEAD_BYTES: usize = 4 + CHECKSUM_BYTES;
const CHECKSUM_BYTES: usize = 8;
/// Of the checksummed part, before the ids.
const NUMBERS_BYTES: usize = 8 + 4 + 4;

/// What must not be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) task: TaskId,
    /// The number of the attempt that was accepted.
    pub(crate) attempt: u32,
    /// The upstream's own id of the task.
    pub(crate) handle: String,
}

/// The facts that the store does not have yet, in memory and in the file.
pub struct Spool {
    inner: Arc<Inner>,
    /// Submissions under way, each of which may need a record.
    places: AtomicU64,
}

struct Inner {
    facts: Mutex<HashMap<TaskId, Spooled>>,
    journal: Mutex<Journal>,
    /// Where the next record goes; only whoever holds the journal changes it.
    end: AtomicU64,
    bytes: u64,
}

struct Spooled {
    fact: Fact,
    /// Whether it would survive the process.
    is_filed: bool,
}

struct Journal {
    file: File,
    generation: u64,
}

/// Room for one record, given back when this is dropped.
pub(crate) struct Place<'a>(&'a Spool);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.places.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Spool {
    /// Opens the spool at `path`, and makes it if there is none; it has at least `bytes` of room.
    ///
    /// # Errors
    /// If the file cannot be had, read or extended.
    pub fn open(path: &Path, bytes: u64) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        let room = bytes.max(content.len() as u64);
        if room > content.len() as u64 {
            let zeros = usize::try_from(room - content.len() as u64).map_err(io::Error::other)?;
            file.write_all(&vec![0; zeros])?;
            file.sync_all()?;
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                File::open(folder)?.sync_all()?;
            }
        }
        let Replay { facts, generation, end } = replay(&content);
        let filed = |fact: Fact| (fact.task.clone(), Spooled { fact, is_filed: true });
        let inner = Inner {
            facts: Mutex::new(facts.into_iter().map(filed).collect()),
            journal: Mutex::new(Journal { file, generation }),
            end: AtomicU64::new(end),
            bytes: room,
        };
        Ok(Self { inner: Arc::new(inner), places: AtomicU64::new(0) })
    }

    /// Room for what one submission may bring; `None` if there is none, or the file did not take the last fact.
    pub(crate) fn reserve(&self) -> Option<Place<'_>> {
        let used = {
            let facts = self.inner.facts();
            if facts.values().any(|spooled| !spooled.is_filed) {
                return None;
            }
            if facts.is_empty() { 0 } else { self.inner.end.load(Ordering::Relaxed) }
        };
        let place = Place(self);
        let places = self.places.fetch_add(1, Ordering::Relaxed) + 1;
        (used + places * RECORD_BYTES_MAX <= self.inner.bytes).then_some(place)
    }

    /// Keeps a fact; when this returns it survives the process, or the file did not take it, which is logged.
    pub(crate) async fn keep(&self, fact: Fact) {
        if failpoints::removed("spool") {
            return;
        }
        failpoints::pass("spool_before_append");
        let task = fact.task.clone();
        tracing::warn!(task_id = %task, attempt = fact.attempt, "the store does not take an upstream's id; it goes to the spool");
        self.inner.facts().insert(task.clone(), Spooled { fact: fact.clone(), is_filed: false });
        let inner = Arc::clone(&self.inner);
        let filed = tokio::task::spawn_blocking(move || inner.file(&fact)).await;
        if let Err(error) = filed.map_err(io::Error::other).flatten() {
            tracing::error!(task_id = %task, %error, "the spool did not take an upstream's id; nothing is submitted until the store does");
        }
        failpoints::pass("spool_after_append");
    }

    /// The upstream's id of that attempt, if the store does not have it yet.
    pub(crate) fn handle(&self, task: &TaskId, attempt: u32) -> Option<String> {
        let facts = self.inner.facts();
        let fact = facts.get(task).map(|spooled| &spooled.fact).filter(|fact| fact.attempt == attempt)?;
        Some(fact.handle.clone())
    }

    /// Whether that is the id of a task here.
    pub(crate) fn knows(&self, handle: &str) -> bool {
        self.inner.facts().values().any(|spooled| spooled.fact.handle == handle)
    }

    /// The store has what it needs of that task. Whether there was anything to forget.
    pub(crate) fn forget(&self, task: &TaskId) -> bool {
        self.inner.facts().remove(task).is_some()
    }

    /// All facts.
    pub(crate) fn facts(&self) -> Vec<Fact> {
        self.inner.facts().values().map(|spooled| spooled.fact.clone()).collect()
    }

    /// How many facts there are.
    pub(crate) fn len(&self) -> usize {
        self.inner.facts().len()
    }
}

impl Inner {
    fn facts(&self) -> MutexGuard<'_, HashMap<TaskId, Spooled>> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a record and syncs it. Blocks.
    fn file(&self, fact: &Fact) -> io::Result<()> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.facts().values().any(|spooled| spooled.is_filed) {
            journal.generation += 1;
            self.end.store(0, Ordering::Relaxed);
        }
        let record = encode(fact, journal.generation);
        let start = self.end.load(Ordering::Relaxed);
        let end = start + record.len() as u64;
        if record.len() as u64 > RECORD_BYTES_MAX || end > self.bytes {
            return Err(io::Error::other("there is no room"));
        }
        journal.file.seek(SeekFrom::Start(start))?;
        journal.file.write_all(&record)?;
        journal.file.sync_data()?;
        self.end.store(end, Ordering::Relaxed);
        if let Some(spooled) = self.facts().get_mut(&fact.task).filter(|spooled| spooled.fact == *fact) {
            spooled.is_filed = true;
        }
        Ok(())
    }
}

fn encode(fact: &Fact, generation: u64) -> Vec<u8> {
    let task = fact.task.as_str().as_bytes();
    let mut body = Vec::with_capacity(NUMBERS_BYTES + task.len() + fact.handle.len());
    body.extend(generation.to_le_bytes());
    body.extend(fact.attempt.to_le_bytes());
    body.extend(u32::try_from(task.len()).unwrap_or(u32::MAX).to_le_bytes());
    body.extend(task);
    body.extend(fact.handle.as_bytes());
    let mut record = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
    record.extend(checksum(&body));
    record.extend(body);
    record
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest: [u8; 32] = Sha256::digest(body).into();
    let (start, _) = digest.split_first_chunk().expect("a digest is longer than a checksum");
    *start
}

/// What a file holds.
struct Replay {
    facts: Vec<Fact>,
    generation: u64,
    end: u64,
}

/// Reads records as far as they are whole and of one generation. Of a task with several the last counts.
fn replay(content: &[u8]) -> Replay {
    let mut replay = Replay { facts: Vec::new(), generation: 0, end: 0 };
    let mut rest = content;
    while let Some((fact, generation, length)) = decode(rest) {
        if !replay.facts.is_empty() && generation != replay.generation {
            break;
        }
        replay.facts.push(fact);
        replay.generation = generation;
        replay.end += length as u64;
        rest = rest.get(length..).unwrap_or_default();
    }
    replay
}

/// The record at the start of `bytes`: its fact, its generation, its length.
fn decode(bytes: &[u8]) -> Option<(Fact, u64, usize)> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (sum, rest) = rest.split_first_chunk::<CHECKSUM_BYTES>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let body = rest.get(..length).filter(|body| checksum(body) == *sum)?;
    let (generation, ids) = body.split_first_chunk()?;
    let (attempt, ids) = ids.split_first_chunk()?;
    let (task_bytes, ids) = ids.split_first_chunk()?;
    let (task, handle) = ids.split_at_checked(usize::try_from(u32::from_le_bytes(*task_bytes)).ok()?)?;
    let fact = Fact {
        task: TaskId::new(str::from_utf8(task).ok()?),
        attempt: u32::from_le_bytes(*attempt),
        handle: str::from_utf8(handle).ok()?.to_owned(),
    };
    Some((fact, u64::from_le_bytes(*generation), HEAD_BYTES + length))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const BYTES: u64 = 64 << 10;

    fn fact(task: &str, handle: &str) -> Fact {
        Fact { task: TaskId::new(task), attempt: 1, handle: handle.into() }
    }

    fn open(folder: &TempDir) -> Spool {
        Spool::open(&folder.path().join("handles.spool"), BYTES).unwrap()
    }

    fn sorted(spool: &Spool) -> Vec<Fact> {
        let mut facts = spool.facts();
        facts.sort_by(|a, b| a.task.as_str().cmp(b.task.as_str()));
        facts
    }

    #[tokio::test]
    async fn what_is_kept_is_there_after_a_crash_until_the_store_has_it() {
        let folder = TempDir::new().unwrap();
        let spool = open(&folder);
        spool.keep(fact("a", "up-1")).await;
        spool.keep(fact("b", "up-2 \u{1F3AC} \"\n")).await;
        let again = open(&folder);
        assert_eq!(sorted(&again), [fact("a", "up-1"), fact("b", "up-2 \u{1F3AC} \"\n")]);
        assert_eq!(again.handle(&TaskId::new("a"), 1).as_deref(), Some("up-1"));
        assert_eq!(again.handle(&TaskId::new("a"), 2), None, "another attempt has another id");
        assert!(again.knows("up-1") && !again.knows("up-3"));
        assert!(again.forget(&TaskId::new("a")) && !again.forget(&TaskId::new("a")));
        again.keep(fact("c", "up-3")).await;
        assert_eq!(open(&folder).len(), 3, "one that the store has is there until all are gone");
    }

    #[tokio::test]
    async fn an_empty_spool_begins_anew_and_old_records_do_not_come_back() {
        let folder = TempDir::new().unwrap();
        let spool = open(&folder);
        for task in ["a", "b", "c"] {
            spool.keep(fact(task, "a-rather-long-handle")).await;
        }
        for task in ["a", "b", "c"] {
            spool.forget(&TaskId::new(task));
        }
        // As long as the one that it overwrites, so that the next old record is whole.
        spool.keep(fact("d", "a-rather-long-handle")).await;
        assert_eq!(open(&folder).facts(), [fact("d", "a-rather-long-handle")]);
    }

    #[tokio::test]
    async fn a_torn_record_is_none_and_hides_none_before_it() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("handles.spool");
        let spool = open(&folder);
        spool.keep(fact("a", "up-1")).await;
        spool.keep(fact("b", "up-2")).await;
        let whole = std::fs::read(&path).unwrap();
        let second = encode(&fact("a", "up-1"), 1).len();
        for byte in second..second * 2 {
            let mut torn = whole.clone();
            torn[byte] ^= 0xFF;
            std::fs::write(&path, &torn).unwrap();
            assert_eq!(open(&folder).facts(), [fact("a", "up-1")], "byte {byte}");
        }
        for content in [vec![], vec![0xFF; 4096], whole[..second + 9].to_vec()] {
            std::fs::write(&path, &content).unwrap();
            assert!(open(&folder).len() <= 1);
        }
    }

    #[tokio::test]
    async fn places_are_bounded_by_the_file_and_given_back() {
        let folder = TempDir::new().unwrap();
        let spool = open(&folder);
        let all = usize::try_from(BYTES / RECORD_BYTES_MAX).unwrap();
        let mut places: Vec<_> = (0..all).map(|_| spool.reserve().unwrap()).collect();
        assert!(spool.reserve().is_none());
        places.pop();
        let last = spool.reserve();
        assert!(last.is_some(), "one that was given back, and none lost to the refusal");
        drop((places, last));
        spool.keep(fact("a", &"h".repeat(2048))).await;
        let places: Vec<_> = std::iter::from_fn(|| spool.reserve()).collect();
        assert_eq!(places.len(), all - 1, "what is in the file takes room");
    }

    #[tokio::test]
    async fn the_longest_ids_fit_and_a_fact_that_does_not_holds_up_submissions_until_the_store_has_it() {
        let folder = TempDir::new().unwrap();
        let spool = open(&folder);
        let long = fact(&"t".repeat(64), &"h".repeat(2048));
        spool.keep(long.clone()).await;
        assert_eq!(open(&folder).facts(), [long]);
        spool.keep(fact("big", &"h".repeat(3000))).await;
        assert!(spool.reserve().is_none());
        assert_eq!(spool.handle(&TaskId::new("big"), 1).map(|handle| handle.len()), Some(3000));
        spool.forget(&TaskId::new("big"));
        assert!(spool.reserve().is_some());
    }

    #[test]
    fn the_file_has_its_size_from_the_start_and_never_shrinks() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("handles.spool");
        let bytes = || std::fs::metadata(&path).unwrap().len();
        drop(open(&folder));
        assert_eq!(bytes(), BYTES);
        drop(Spool::open(&path, 2 * BYTES).unwrap());
        drop(open(&folder));
        assert_eq!(bytes(), 2 * BYTES);
    }
}
