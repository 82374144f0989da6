//! Runs a script of `tests/sdks`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tests::Process;

/// Which of a client's versions, by their folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    New,
    Old,
}

/// A script, and the clients that it finds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Script {
    name: &'static str,
    age: Age,
}

impl Script {
    /// A script with the newest clients; its extension says the language.
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, age: Age::New }
    }

    /// A script with the clients of yesterday.
    pub(crate) const fn old(name: &'static str) -> Self {
        Self { name, age: Age::Old }
    }

    /// Runs it to its end; the object that it prints.
    pub(crate) async fn run(self, arguments: &[&str], variables: &[(&str, &str)]) -> Value {
        let finished = Process::run(self.command().args(arguments).envs(variables.iter().copied())).await;
        assert!(finished.status.success(), "{self:?} {arguments:?}: {}", finished.stderr);
        serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{self:?}: {error}"))
    }

    fn command(self) -> Command {
        let clients = clients().join(match self.age {
            Age::New => "new",
            Age::Old => "old",
        });
        let mut command = match Path::new(self.name).extension().and_then(|extension| extension.to_str()) {
            Some("py") => {
                let mut command = Command::new(installed(clients.join("python/bin/python")));
                command.args(["-W", "ignore::DeprecationWarning"]);
                command
            }
            Some("js") => {
                let mut command = Command::new("node");
                command.env("NODE_PATH", installed(clients.join("javascript/node_modules")));
                command
            }
            _ => panic!("no language has scripts like {}", self.name),
        };
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("sdks").join(self.name));
        command
    }
}

/// Where the clients are: `FILMGATE_SDKS`, else where `cargo xtask setup` puts them.
fn clients() -> PathBuf {
    let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/sdks");
    std::env::var_os("FILMGATE_SDKS").map_or_else(usual, PathBuf::from)
}

fn installed(path: PathBuf) -> PathBuf {
    assert!(path.exists(), "{} is not there; `cargo xtask setup` installs it", path.display());
    path
}
