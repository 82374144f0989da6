//! The configuration: one YAML file, read strictly, checked whole, turned into a [`Config`].
//!
//! Every problem of a file is reported at once, each with its place. The way of a file through the modules: `tree` keeps
//! each value with its place, `decode` fits the tree into the form of `file` and cuts out what does not fit, `resolve`
//! checks what only the whole can tell and fetches secrets.

mod decode;
mod environment;
mod file;
mod findings;
mod near;
mod prices;
mod problem;
mod reference;
mod resolve;
mod sections;
mod settings;
mod text;
mod tree;

use std::path::Path;

use domain::ModelSpec;
use findings::Findings;

pub use environment::{Environment, ProcessEnvironment, SecretRef, UrlRef};
pub use problem::{Place, Problem, Problems};
pub use reference::{generated_files, reference, schema};
pub use resolve::OPERATOR_KEY_CHARS_MIN;
pub use sections::{
    AdminKey, Callbacks, DefaultModels, Egress, Health, Ledger, Limits, Log, LogFormat, LogLevel, OnOutage,
    Postgres, Reload, Retention, Sandbox, Server, SharedLimits, Store, Tasks, Tls, TraceHeader, Traces,
    sandbox_account,
};
pub use settings::{ClientKey, Config, Hop, OperatorKey, ProviderBound, Route};

/// The largest file that is read, be it a config, a secret or a certificate, in bytes.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// What the rest of the program knows, so that a file cannot name what does not exist.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The registry names of the providers.
    pub providers: &'a [&'a str],
    /// The registry names of the dialects.
    pub dialects: &'a [&'a str],
    /// The built-in models.
    pub models: &'a [&'a ModelSpec],
    /// A provider's own name of a public model, if it has one without being told: from their names.
    pub upstream_model: fn(provider: &str, model: &str) -> Option<String>,
}

impl Default for Known<'_> {
    /// Nothing.
    fn default() -> Self {
        Self { providers: &[], dialects: &[], models: &[], upstream_model: |_, _| None }
    }
}

/// Reads and checks the file at `path`, with secrets from the process's environment and from files.
///
/// # Errors
/// Every problem of the file; a file that cannot be read, or is larger than [`FILE_BYTES_MAX`], is one problem.
pub fn load(path: &Path, known: &Known<'_>) -> Result<Config, Problems> {
    load_in(path, known, &ProcessEnvironment)
}

/// As [`load`], with the file too from `environment`.
///
/// # Errors
/// As [`load`].
pub fn load_in(path: &Path, known: &Known<'_>, environment: &dyn Environment) -> Result<Config, Problems> {
    let name = path.display().to_string();
    match environment.file(path) {
        Ok(text) => parse_in(&text, &name, known, environment),
        Err(error) => Err(Problems::single(&name, format!("cannot be read: {error}"))),
    }
}

/// Checks `text`; `name` is what problems call the file.
///
/// # Errors
/// Every problem of the text.
pub fn parse(text: &str, name: &str, known: &Known<'_>) -> Result<Config, Problems> {
    parse_in(text, name, known, &ProcessEnvironment)
}

/// As [`parse`], with secrets from `environment`.
///
/// # Errors
/// Every problem of the text.
pub fn parse_in(
    text: &str,
    name: &str,
    known: &Known<'_>,
    environment: &dyn Environment,
) -> Result<Config, Problems> {
    let mut problems = Problems::new(name);
    let Some(mut root) = tree::parse(text, &mut problems) else {
        return Err(problems.sorted());
    };
    let places = root.places();
    let Some((file, broken)) = decode::decode(&mut root, &mut problems) else {
        return Err(problems.sorted());
    };
    let mut findings = Findings::new(&places, broken, &mut problems);
    let mut config = resolve::resolve(file, known, environment, &mut findings);
    config.notes = findings.into_notes();
    if problems.is_empty() { Ok(config) } else { Err(problems.sorted()) }
}
