//! For tests and benches: a PostgreSQL server of one's own, gone with its data when it is dropped.
//!
//! A cluster is made once and copied for each server. As root it runs as another user, because the server refuses root.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{IpAddr, TcpListener};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;

/// Settings of a server that forgets nothing: the store refuses others.
pub const DURABLE: [&str; 2] = ["fsync=on", "full_page_writes=on"];
/// How often a free port is looked for, if others take it first.
const TRIES: usize = 20;
/// Users that are there on most machines and own nothing, for when we are root.
const USERS: [&str; 2] = ["postgres", "nobody"];
/// Small and quick. What a test needs otherwise comes after it and wins.
const SETTINGS: [&str; 8] = [
    "shared_buffers=16MB",
    "max_connections=200",
    "wal_level=minimal",
    "max_wal_senders=0",
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=on",
    "timezone=UTC",
];

/// Where a server is reached.
#[derive(Debug, Clone, Copy)]
pub enum Listen {
    /// By a socket in its own folder.
    Socket,
    /// By that socket, and on a free port of this address.
    Address(IpAddr),
}

/// A running server. Its data are not on the disk for sure (`fsync` is off) unless it was started with other settings.
#[derive(Debug)]
pub struct PostgresServer {
    listen: Listen,
    settings: Vec<String>,
    port: u16,
    process: Option<Child>,
    said: Arc<Mutex<Vec<String>>>,
    folder: TempDir,
}

impl PostgresServer {
    /// One with nothing in it, and besides the usual settings these: `name=value`.
    ///
    /// # Panics
    /// If there is no PostgreSQL (`cargo xtask setup`), or it does not start.
    pub fn start(listen: Listen, settings: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("filmgate-pg-").tempdir().expect("a folder");
        own(folder.path());
        let copied =
            run(as_server_user(Command::new("cp")).arg("-a").arg(template()).arg(folder.path().join("data")));
        assert!(copied.is_ok(), "copying a cluster: {copied:?}");
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let mut server = Self { listen, settings, port: 5432, process: None, said: Arc::default(), folder };
        for _try in 0..TRIES {
            server.port = free_port(listen);
            if server.launch() {
                return server;
            }
        }
        panic!("postgres does not start: {:#?}", server.said());
    }

    /// Its URL, by the socket; there is no password.
    pub fn url(&self) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{folder}:{}/template1", self.port)
    }

    /// Its URL by the network.
    ///
    /// # Panics
    /// If it only has a socket.
    pub fn network_url(&self) -> String {
        let Listen::Address(address) = self.listen else { panic!("it listens on a socket only") };
        let host = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
        format!("postgres://postgres@{host}:{}/template1?sslmode=disable", self.port)
    }

    /// Where its log, its data and its socket are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process that all of its others end with; `None` while it is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// What it has printed since its first start.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends it without saving anything, as a crash would; with all connections.
    pub fn stop_at_once(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let signalled = run(Command::new("kill").args(["-QUIT", &process.id().to_string()]));
        if signalled.is_err() {
            let _it_has_ended = process.kill();
        }
        let _nothing_to_learn = process.wait();
    }

    /// Starts it again where it was; it recovers what was committed.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start_again(&mut self) {
        assert!(self.launch(), "postgres does not start again: {:#?}", self.said());
    }

    /// Whether it is ready; if not, it has ended.
    fn launch(&mut self) -> bool {
        let mut command = as_server_user(Command::new(program("postgres")));
        command.arg("-D").arg(self.folder.path().join("data")).args(["-p", &self.port.to_string()]);
        command.arg("-k").arg(self.folder.path());
        let addresses = match self.listen {
            Listen::Socket => String::new(),
            Listen::Address(address) => address.to_string(),
        };
        command.args(["-c", &format!("listen_addresses={addresses}")]);
        for setting in SETTINGS.into_iter().chain(self.settings.iter().map(String::as_str)) {
            command.args(["-c", setting]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("postgres is a program");
        let mut printed = BufReader::new(process.stderr.take().expect("it is piped"));
        let is_ready = self.listen_until_ready(&mut printed);
        if is_ready {
            let said = Arc::clone(&self.said);
            std::thread::spawn(move || {
                printed.lines().map_while(Result::ok).for_each(|line| push(&said, line))
            });
            self.process = Some(process);
        } else {
            let _nothing_to_learn = process.wait();
        }
        is_ready
    }

    fn listen_until_ready(&self, printed: &mut BufReader<ChildStderr>) -> bool {
        for line in printed.by_ref().lines().map_while(Result::ok) {
            let is_ready = line.contains("ready to accept connections");
            push(&self.said, line);
            if is_ready {
                return true;
            }
        }
        false
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.stop_at_once();
    }
}

/// Where the programs of the server are: its package does not put them on the path.
///
/// # Panics
/// If there are none: `cargo xtask setup`.
pub fn program(name: &str) -> PathBuf {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders.extend(std::env::split_paths(&on_path));
    let found = folders.into_iter().map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("there is no {name}: run `cargo xtask setup`"))
}

/// A cluster that nobody runs, made by the first who needs it.
fn template() -> PathBuf {
    let base = std::env::temp_dir();
    let user = fs::metadata("/proc/self").map_or(0, |us| us.uid());
    let version = Command::new(program("initdb")).arg("--version").output().expect("initdb is a program");
    let version: String =
        String::from_utf8_lossy(&version.stdout).chars().filter(char::is_ascii_alphanumeric).collect();
    let template = base.join(format!("filmgate-{user}-{version}-one"));
    let lock = File::create(template.with_extension("lock")).expect("a lock beside the template");
    lock.lock().expect("locking the template");
    let data = template.join("data");
    if !data.exists() {
        fs::create_dir_all(&template).expect("a folder for the template");
        own(&template);
        let (half, options) = (
            template.join("half"),
            ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
        );
        let _from_an_attempt_that_was_ended = fs::remove_dir_all(&half);
        let mut initdb = as_server_user(Command::new(program("initdb")));
        let made = run(initdb.args(options).arg("--wal-segsize=1").arg("-D").arg(&half));
        assert!(made.is_ok(), "initdb: {made:?}");
        keep_one_database(&half);
        fs::rename(&half, &data).expect("naming the template");
    }
    data
}

/// A copy costs by the number of its files: of three databases two are never used.
fn keep_one_database(cluster: &Path) {
    let drop =
        "UPDATE pg_database SET datistemplate = false\nDROP DATABASE template0\nDROP DATABASE postgres\n";
    let mut single = as_server_user(Command::new(program("postgres")));
    single.args(["--single", "-F", "-D"]).arg(cluster).arg("template1");
    single.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = single.spawn().expect("postgres is a program");
    process.stdin.take().expect("it is piped").write_all(drop.as_bytes()).expect("it reads");
    let ended = process.wait();
    assert!(ended.as_ref().is_ok_and(ExitStatus::success), "leaving one database: {ended:?}");
}

fn free_port(listen: Listen) -> u16 {
    let Listen::Address(address) = listen else { return 5432 };
    let free = TcpListener::bind((address, 0)).and_then(|listener| listener.local_addr());
    free.expect("there is a free port").port()
}

/// Whom the server runs as; `None` if as ourselves.
fn server_user() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").is_ok_and(|us| us.uid() != 0) {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("there are users");
    let named = |name: &str| {
        let mut fields =
            users.lines().map(|line| line.split(':')).find(|it| it.clone().next() == Some(name))?;
        let (user, group) = (fields.nth(2)?, fields.next()?);
        Some((user.parse().ok()?, group.parse().ok()?))
    };
    Some(USERS.into_iter().find_map(named).expect("there is a user for a server that refuses root"))
}

fn as_server_user(mut command: Command) -> Command {
    if let Some((user, group)) = server_user() {
        command.uid(user).gid(group);
    }
    command
}

fn own(folder: &Path) {
    if let Some((user, group)) = server_user() {
        chown(folder, Some(user), Some(group)).expect("root gives its own folder away");
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

fn push(said: &Mutex<Vec<String>>, line: String) {
    said.lock().unwrap_or_else(PoisonError::into_inner).push(line);
}
