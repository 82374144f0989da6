//! From the file to the checked configuration: what only the whole can tell, and the secrets.

mod accounts;
mod admin;
mod bounds;
mod keys;
mod limits;
mod models;
mod names;
mod notes;
mod prices;
mod routes;
mod store;
mod traces;

use domain::Credential;

use crate::Known;
use crate::environment::{Environment, SecretRef};
use crate::file::File;
use crate::findings::Findings;
use crate::settings::Config;
use names::Names;

/// Checks `file` and turns it into a configuration, which is only to be used if nothing was found.
pub(crate) fn resolve(
    mut file: File,
    known: &Known<'_>,
    environment: &dyn Environment,
    findings: &mut Findings<'_>,
) -> Config {
    bounds::check(&mut file, environment, findings);
    let models = models::resolve(&file.models, known, findings);
    let names = Names::new(&file, &models, known, findings);
    models::check_names(&file.models, &names, findings);
    models::check_defaults(&file.default_models, &names, findings);
    let accounts = accounts::resolve(&file.accounts, known, environment, findings);
    let routes = routes::resolve(&file, known, &names, findings);
    let providers = limits::of_providers(&file.providers, known, findings);
    let keys = keys::resolve(&file, known, &names, environment, findings);
    notes::on_ceilings(&file, &routes, findings);
    let each = file.callbacks.secrets.iter().enumerate();
    let callback_secrets = each
        .filter_map(|(index, secret)| {
            let path = format!("callbacks.secrets[{index}]");
            accounts::credential(Some(secret), &path, environment, findings)
        })
        .collect();
    let postgres_url = store::postgres_url(&file.store, environment, findings);
    let shared_limits_url = limits::shared_url(&file.limits, environment, findings);
    let trace_headers = traces::headers(&file.traces, environment, findings);
    let admin_key = long_key(file.server.admin_key.as_ref(), "server.admin_key", environment, findings);
    let admin_keys = admin::resolve(&file.server, admin_key.as_ref(), environment, findings);
    let callback_key =
        long_key(file.server.callback_key.as_ref(), "server.callback_key", environment, findings);
    Config {
        server: file.server,
        data_dir: file.data_dir,
        media_dir: file.media_dir,
        store: file.store,
        postgres_url,
        tasks: file.tasks,
        retention: file.retention,
        limits: file.limits,
        shared_limits_url,
        health: file.health,
        ledger: file.ledger,
        egress: file.egress,
        callbacks: file.callbacks,
        callback_secrets,
        admin_key,
        admin_keys,
        callback_key,
        keys,
        default_models: file.default_models,
        models,
        accounts,
        providers,
        routes,
        reload: file.reload,
        log: file.log,
        traces: file.traces,
        trace_headers,
        sandbox: file.sandbox,
        notes: Vec::new(),
    }
}

/// The shortest of the keys that open more than a client's does.
pub const OPERATOR_KEY_CHARS_MIN: usize = 24;

fn long_key(
    reference: Option<&SecretRef>,
    path: &str,
    environment: &dyn Environment,
    findings: &mut Findings<'_>,
) -> Option<Credential> {
    let key = accounts::credential(Some(reference?), path, environment, findings)?;
    if key.expose().len() < OPERATOR_KEY_CHARS_MIN {
        findings.add(path, format!("must have at least {OPERATOR_KEY_CHARS_MIN} characters"));
    }
    Some(key)
}

impl Default for Config {
    fn default() -> Self {
        let places = std::collections::HashMap::new();
        let mut problems = crate::Problems::new("");
        let mut findings = Findings::new(&places, Vec::new(), &mut problems);
        resolve(File::default(), &Known::default(), &crate::ProcessEnvironment, &mut findings)
    }
}
