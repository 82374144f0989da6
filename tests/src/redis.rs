//! A Redis of a story's own, on a port of its own and with nothing on disk: gateways that share limits share it.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Process;

/// How often a free port is looked for, if others take it first.
const TRIES: usize = 20;

/// A running server.
pub struct Redis {
    process: Process,
    port: u16,
    folder: TempDir,
}

impl Redis {
    /// One that knows nothing.
    ///
    /// # Panics
    /// If there is no `redis-server`: `cargo xtask setup`.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder for redis");
        for _try in 0..TRIES {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
            let port = free.expect("there is a free port").port();
            if let Some(process) = serve(port, &folder).await {
                return Self { process, port, folder };
            }
        }
        panic!("redis-server does not start");
    }

    /// What a config says in `limits.shared` of one of `replicas` gateways, for which only a dead server is away.
    pub fn shared(&self, replicas: u32) -> Value {
        json!({
            "url": format!("redis://127.0.0.1:{}", self.port),
            "connect_timeout": "20s",
            "response_timeout": "20s",
            "probe_interval": "50ms",
            "replicas": replicas,
        })
    }

    /// Ends it at once; all that it knew is gone.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again where it was.
    ///
    /// # Panics
    /// If somebody else has its port now.
    pub async fn start_again(&mut self) {
        self.process = serve(self.port, &self.folder).await.expect("the port is still free");
    }
}

/// Nothing if it ends before it is ready.
async fn serve(port: u16, folder: &TempDir) -> Option<Process> {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command.args(["--port", &port.to_string(), "--dir"]).arg(folder.path());
    let mut process = Process::start("redis", &mut command);
    let is_ready = |line: &String| line.contains("Ready to accept connections");
    process.try_said(|lines| lines.iter().any(is_ready).then_some(())).await.ok()?;
    Some(process)
}
