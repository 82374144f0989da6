//! Processes under load and what they cost, read from /proc.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;

/// Clock ticks of /proc/PID/stat: 100 a second on every Linux that matters here.
const TICK: Duration = Duration::from_millis(10);

/// A child that is killed when this is dropped.
pub struct Subject {
    child: Child,
}

impl Subject {
    /// Starts `command` and reads its output until `find` makes something of a line.
    pub fn start<T>(command: &mut Command, find: impl Fn(&str) -> Option<T>) -> anyhow::Result<(Self, T)> {
        let mut child =
            command.stdout(Stdio::piped()).spawn().with_context(|| format!("starting {command:?}"))?;
        let output = child.stdout.take().context("the output is piped")?;
        let subject = Self { child };
        let mut lines = BufReader::new(output).lines();
        let found = lines.by_ref().map_while(Result::ok).find_map(|line| find(&line));
        // Goes on reading, so that the child never blocks on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Ok((subject, found.context("the process ended before it was ready")?))
    }

    /// CPU time used so far, user and system.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks: u32 = fields[11].parse::<u32>()? + fields[12].parse::<u32>()?;
        Ok(TICK * ticks)
    }

    /// The largest resident set so far, in KiB.
    pub fn peak_kib(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        kib.context("the kernel tells the peak")
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _dead_already = self.child.kill();
        let _status = self.child.wait();
    }
}

/// The release binary of the gateway: `FILMGATE_BIN`, else that of this workspace's target folder.
pub fn gateway_binary() -> anyhow::Result<PathBuf> {
    let beside = std::env::current_exe()?.ancestors().nth(2).map(|release| release.join("filmgate"));
    let path = std::env::var_os("FILMGATE_BIN").map(PathBuf::from).or(beside);
    path.filter(|path| path.is_file()).context("build it first: cargo build --release")
}
