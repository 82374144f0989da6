//! A Redis of a test's own, on a free port and with nothing on disk.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::num::NonZeroU32;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use limits::{OnOutage, SharedLimiter, SharedSettings};
use tempfile::TempDir;

/// Longer than any pause of a busy machine: only a dead or stopped server is away.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    process: Process,
    port: u16,
    dir: TempDir,
}

struct Process {
    child: Child,
    /// Kept open, because the server writes to it.
    _log: BufReader<ChildStdout>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        // Somebody else may take a port between our looking and the server's binding it.
        for _try in 0..20 {
            let port = TcpListener::bind("127.0.0.1:0")
                .and_then(|socket| socket.local_addr())
                .expect("a port")
                .port();
            if let Some(process) = Process::start(port, &dir) {
                return Self { process, port, dir };
            }
        }
        panic!("redis-server does not start");
    }

    /// Ends it as a crash does; all that it knew is gone.
    pub(crate) fn kill(&mut self) {
        self.process.end();
    }

    pub(crate) fn start_again(&mut self) {
        self.process = Process::start(self.port, &self.dir).expect("the port is still free");
    }

    /// It keeps its connections and what it knows, but does nothing until it is told to go on.
    pub(crate) fn stop(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    pub(crate) fn settings(&self, on_outage: OnOutage) -> SharedSettings {
        SharedSettings {
            connect_timeout: PATIENCE,
            response_timeout: PATIENCE,
            probe_interval: Duration::from_millis(20),
            ..SharedSettings::new(format!("redis://127.0.0.1:{}", self.port), on_outage)
        }
    }

    /// One of `replicas` gateways.
    pub(crate) async fn limiter(&self, replicas: u32) -> SharedLimiter {
        SharedLimiter::start(self.settings(local(replicas))).await.expect("settings")
    }

    pub(crate) fn client(&self) -> redis::Client {
        redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).expect("a URL")
    }

    pub(crate) fn connection(&self) -> redis::Connection {
        self.client().get_connection().expect("a connection")
    }

    fn signal(&self, signal: &str) {
        let id = self.process.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().expect("kill").success());
    }
}

impl Process {
    /// Nothing if it ends before it is ready.
    fn start(port: u16, dir: &TempDir) -> Option<Self> {
        let mut child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--port", &port.to_string(), "--dir"])
            .arg(dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-server is missing: cargo xtask setup");
        let mut log = BufReader::new(child.stdout.take().expect("a pipe"));
        let is_ready = log
            .by_ref()
            .lines()
            .map_while(Result::ok)
            .any(|line| line.contains("Ready to accept connections"));
        let process = Self { child, _log: log };
        is_ready.then_some(process)
    }

    fn end(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

pub(crate) fn local(replicas: u32) -> OnOutage {
    OnOutage::Local { replicas: NonZeroU32::new(replicas).expect("a replica") }
}

/// Waits until something is so.
pub(crate) async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it comes true within a minute");
}
