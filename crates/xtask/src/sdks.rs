//! Installs what the tests run from the registries of Python and JavaScript: the clients that other services publish, as
//! they are, and the tools that check deploy/.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::step::Step;

/// Where they are installed.
const FOLDER: &str = "target/sdks";
/// What is installed: lists with versions.
const LISTS: &str = "tests";

/// Node trusts a list of its own; the system's authorities are those that its owner wants.
const NODE_AUTHORITIES: &str = "NODE_EXTRA_CA_CERTS";
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Packages that are installed together. Two versions of one need two sets.
struct Set {
    /// Its folder below [`FOLDER`].
    name: &'static str,
    /// Its list below [`LISTS`].
    list: &'static str,
    /// Fills a folder from a list; both are seen from the root of the repository, which is the first.
    install: fn(&Path, &Path, &Path) -> anyhow::Result<()>,
}

const SETS: [Set; 7] = [
    Set { name: "new/python", list: "sdks/new/requirements.txt", install: install_python },
    Set { name: "old/python", list: "sdks/old/requirements.txt", install: install_python },
    Set { name: "new/javascript", list: "sdks/new/package.json", install: install_javascript },
    Set { name: "old/javascript", list: "sdks/old/package.json", install: install_javascript },
    Set { name: "otlp/python", list: "otlp/requirements.txt", install: install_python_list },
    Set { name: "openapi/python", list: "openapi/requirements.txt", install: install_python },
    Set { name: DEPLOY, list: "deploy/requirements.txt", install: install_python_list },
];

/// The tools that check deploy/.
const DEPLOY: &str = "deploy/python";

/// Where all of it is.
pub(crate) fn folder(root: &Path) -> PathBuf {
    root.join(FOLDER)
}

/// Installs the tools that check deploy/, and gives their Python.
pub(crate) fn deploy_python(root: &Path) -> anyhow::Result<PathBuf> {
    let tools = |set: &&Set| set.name == DEPLOY;
    SETS.iter().filter(tools).try_for_each(|set| install_set(root, set))?;
    Ok(folder(root).join(DEPLOY).join("bin/python"))
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
    std::fs::write(&marker, wanted).context("noting what is installed")
}

fn install_python(root: &Path, folder: &Path, list: &Path) -> anyhow::Result<()> {
    install_python_with(root, folder, list, &[])
}

/// Only what the list names: it is whole.
fn install_python_list(root: &Path, folder: &Path, list: &Path) -> anyhow::Result<()> {
    install_python_with(root, folder, list, &["--no-deps"])
}

fn install_python_with(root: &Path, folder: &Path, list: &Path, options: &[&str]) -> anyhow::Result<()> {
    let (at, list) = (folder.to_string_lossy(), list.to_string_lossy());
    Step::new("packages", root, &["python3", "-m", "venv", "--clear", &at]).run()?;
    let python = format!("{at}/bin/python");
    let install = [&python, "-m", "pip", "install", "--quiet", "--requirement", &list];
    Step::new("packages", root, &[&install[..], options].concat()).run()
}

/// Without a lock file, which would name the registry of whoever wrote it, and without the packages' own scripts.
fn install_javascript(root: &Path, folder: &Path, list: &Path) -> anyhow::Result<()> {
    let absolute = root.join(folder);
    if absolute.exists() {
        std::fs::remove_dir_all(&absolute).context("removing other packages")?;
    }
    std::fs::create_dir_all(&absolute).context("making a folder for packages")?;
    std::fs::copy(root.join(list), absolute.join("package.json")).context("copying the list of packages")?;
    let words = ["npm", "install", "--prefix", &folder.to_string_lossy(), "--loglevel=error"];
    let without = ["--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"];
    let mut step = Step::new("packages", root, &[&words[..], &without[..]].concat());
    if std::env::var_os(NODE_AUTHORITIES).is_none() && Path::new(SYSTEM_AUTHORITIES).is_file() {
        step = step.env(NODE_AUTHORITIES, SYSTEM_AUTHORITIES);
    }
    step.run()
}
