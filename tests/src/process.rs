//! A process of our binary: started, listened to, ended.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::{eventually, secrets, tool};

/// Names the binary under test.
const BINARY: &str = "FILMGATE_BIN";
/// What the process would otherwise take from the environment of whoever runs the tests.
const FOREIGN: [&str; 4] = ["FILMGATE_CONFIG", "FILMGATE_DATA", "FILMGATE_KEY", "FILMGATE_SANDBOX_FAULT"];
/// Says what a process logs.
const LOG: &str = "FILMGATE_LOG";

/// A running process, killed when this is dropped. What it printed is shown if the story fails.
pub struct Process {
    name: String,
    child: Child,
    stdout: Output,
    stderr: Output,
    /// Whether it was told to log what its upstreams say.
    is_told_all: bool,
}

/// A process that has ended.
#[derive(Debug)]
pub struct Finished {
    /// How.
    pub status: ExitStatus,
    /// What it printed to stdout.
    pub stdout: String,
    /// What it printed to stderr.
    pub stderr: String,
}

/// The lines of one stream so far; a thread reads them.
struct Output {
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Process {
    /// A command that runs our binary, with nothing of ours in its environment.
    ///
    /// # Panics
    /// If there is no binary.
    pub fn command() -> Command {
        let mut command = Command::new(binary());
        for name in FOREIGN {
            command.env_remove(name);
        }
        command.env(LOG, secrets::LOUDEST);
        command
    }

    /// Starts `command`; `name` stands before what it printed.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(name: &str, command: &mut Command) -> Self {
        let mut is_told_all = false;
        for (variable, value) in command.get_envs() {
            if let (Some(variable), Some(value)) = (variable.to_str(), value.and_then(|value| value.to_str()))
            {
                secrets::note_variable(variable, value);
                is_told_all |= variable == LOG && value.contains(secrets::SAID);
            }
        }
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("starting {name}: {error}"));
        let stdout = Output::of(child.stdout.take().expect("stdout is piped"));
        let stderr = Output::of(child.stderr.take().expect("stderr is piped"));
        Self { name: name.to_owned(), child, stdout, stderr, is_told_all }
    }

    /// Runs `command` to its end.
    ///
    /// # Panics
    /// If it cannot be started or does not end.
    pub async fn run(command: &mut Command) -> Finished {
        let mut process = Self::start("command", command);
        let status = process.exit().await;
        Finished { status, stdout: process.stdout(), stderr: process.stderr() }
    }

    /// Waits until its stdout holds what `find` looks for.
    ///
    /// # Panics
    /// If it ends before that, or the deadline passes.
    pub async fn said<T>(&mut self, find: impl Fn(&[String]) -> Option<T>) -> T {
        let said = self.try_said(find).await;
        said.unwrap_or_else(|status| panic!("{} ended early: {status}", self.name))
    }

    /// Waits until its stdout holds what `find` looks for; how it ended if it never will.
    ///
    /// # Panics
    /// If the deadline passes.
    pub async fn try_said<T>(&mut self, find: impl Fn(&[String]) -> Option<T>) -> Result<T, ExitStatus> {
        eventually(&format!("the first words of {}", self.name), async || {
            let ended = self.child.try_wait().expect("a child can be asked");
            let found = find(&self.stdout.lines());
            found.map(Ok).or(ended.map(Err))
        })
        .await
    }

    /// Whether it has ended.
    ///
    /// # Panics
    /// If it is not known.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_some()
    }

    /// All that it has printed to stdout so far.
    pub fn stdout(&self) -> String {
        self.stdout.lines().join("\n")
    }

    /// All that it has printed to stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.lines().join("\n")
    }

    /// Ends it at once, as a power cut would (SIGKILL).
    pub fn kill(&mut self) {
        // One that has ended by itself cannot be killed, which is as good.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }

    /// Its id at the system.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop (SIGTERM).
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends it a signal, by its name.
    pub fn signal(&self, name: &str) {
        tool::run("kill", &[&format!("-{name}"), &self.id().to_string()]);
    }

    /// How it ends; all that it printed has been read then.
    ///
    /// # Panics
    /// If it does not end before the deadline.
    pub async fn exit(&mut self) -> ExitStatus {
        let what = format!("the end of {}", self.name);
        let status = eventually(&what, async || self.child.try_wait().expect("a child can be asked")).await;
        self.stdout.finish();
        self.stderr.finish();
        status
    }

    /// A log that holds a secret is a failure of the story, whatever else the story is about.
    fn search_log(&mut self) {
        self.stderr.finish();
        let found = secrets::found_in(&self.stderr());
        assert!(found.is_empty(), "the log of {} holds what none may hold:\n{}", self.name, found.join("\n"));
    }

    fn show(&self) {
        let (stdout, stderr) = (self.stdout(), self.stderr());
        let name = &self.name;
        let text = format!("==== {name}, stdout\n{stdout}\n==== {name}, stderr\n{stderr}\n====\n");
        // The test runner keeps stderr of a failed test.
        let _closed = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            self.show();
        } else if !self.is_told_all {
            self.search_log();
        }
    }
}

impl Output {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&lines);
        let read = move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                shared.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        };
        Self { lines, reader: Some(std::thread::spawn(read)) }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("reading lines does not panic");
        }
    }
}

/// The binary under test: the one that the environment names, else the one that cargo puts beside the tests.
fn binary() -> PathBuf {
    let named = env::var_os(BINARY).map(PathBuf::from);
    let path = named.unwrap_or_else(|| {
        let test = env::current_exe().expect("a test knows where it is");
        let folder = test.parent().and_then(Path::parent).expect("cargo puts tests into target/PROFILE/deps");
        folder.join("filmgate")
    });
    assert!(
        path.is_file(),
        "there is no binary at {}: run `cargo build -p filmgate` first, or name one with {BINARY}",
        path.display()
    );
    path
}
