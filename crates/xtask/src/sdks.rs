//! Installs the clients that other services publish, as they are, for the tests that run them.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::step::Step;

/// Where they are installed.
const FOLDER: &str = "target/sdks";
/// What is installed: lists with versions.
const LISTS: &str = "tests/sdks";

/// Node trusts a list of its own; the system's authorities are those that its owner wants.
const NODE_AUTHORITIES: &str = "NODE_EXTRA_CA_CERTS";
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Clients that are installed together. Two versions of one need two sets.
struct Set {
    /// Its folder below [`FOLDER`].
    name: &'static str,
    /// Its list below [`LISTS`].
    list: &'static str,
    /// Fills a folder from a list; both are seen from the root of the repository, which is the first.
    install: fn(&Path, &Path, &Path) -> anyhow::Result<()>,
}

const SETS: [Set; 4] = [
    Set { name: "new/python", list: "new/requirements.txt", install: install_python },
    Set { name: "old/python", list: "old/requirements.txt", install: install_python },
    Set { name: "new/javascript", list: "new/package.json", install: install_javascript },
    Set { name: "old/javascript", list: "old/package.json", install: install_javascript },
];

/// Where the clients are.
pub(crate) fn folder(root: &Path) -> PathBuf {
    root.join(FOLDER)
}

/// Installs every set of which not exactly that is there.
pub(crate) fn install(root: &Path) -> anyhow::Result<()> {
    SETS.iter().try_for_each(|set| install_set(root, set))
}

fn install_set(root: &Path, set: &Set) -> anyhow::Result<()> {
    let (folder, list) = (Path::new(FOLDER).join(set.name), Path::new(LISTS).join(set.list));
    let wanted =
        std::fs::read_to_string(root.join(&list)).with_context(|| format!("reading {}", list.display()))?;
    let marker = root.join(&folder).join("installed.txt");
    if std::fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    (set.install)(root, &folder, &list)?;
    std::fs::write(&marker, wanted).context("noting which clients are installed")
}

fn install_python(root: &Path, folder: &Path, list: &Path) -> anyhow::Result<()> {
    let (at, list) = (folder.to_string_lossy(), list.to_string_lossy());
    Step::new("clients", root, &["python3", "-m", "venv", "--clear", &at]).run()?;
    let python = format!("{at}/bin/python");
    Step::new("clients", root, &[&python, "-m", "pip", "install", "--quiet", "--requirement", &list]).run()
}

/// Without a lock file, which would name the registry of whoever wrote it, and without the packages' own scripts.
fn install_javascript(root: &Path, folder: &Path, list: &Path) -> anyhow::Result<()> {
    let absolute = root.join(folder);
    if absolute.exists() {
        std::fs::remove_dir_all(&absolute).context("removing other clients")?;
    }
    std::fs::create_dir_all(&absolute).context("making a folder for clients")?;
    std::fs::copy(root.join(list), absolute.join("package.json")).context("copying the list of clients")?;
    let words = ["npm", "install", "--prefix", &folder.to_string_lossy(), "--loglevel=error"];
    let without = ["--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"];
    let mut step = Step::new("clients", root, &[&words[..], &without[..]].concat());
    if std::env::var_os(NODE_AUTHORITIES).is_none() && Path::new(SYSTEM_AUTHORITIES).is_file() {
        step = step.env(NODE_AUTHORITIES, SYSTEM_AUTHORITIES);
    }
    step.run()
}
