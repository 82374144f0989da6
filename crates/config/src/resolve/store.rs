//! Where tasks are kept.

use domain::Credential;
use url::Url;

use crate::environment::Environment;
use crate::findings::Findings;
use crate::sections::{Postgres, Store};

const URL: &str = "must be postgres://USER:PASSWORD@HOST:PORT/DATABASE";
/// One makes new tasks while another does all else.
const CONNECTIONS_MIN: usize = 2;

/// Checks the section.
pub(super) fn check(store: &Store, environment: &dyn Environment, findings: &mut Findings<'_>) {
    findings.positive("store.queue_max", store.queue_max == 0);
    findings.positive("store.batch_max", store.batch_max == 0);
    findings.positive("store.wal_bytes_max", store.wal_bytes_max == 0);
    if let Some(postgres) = &store.postgres {
        check_postgres(postgres, environment, findings);
    }
}

fn check_postgres(postgres: &Postgres, environment: &dyn Environment, findings: &mut Findings<'_>) {
    if postgres.connections_max < CONNECTIONS_MIN {
        findings.add("store.postgres.connections_max", format!("must be at least {CONNECTIONS_MIN}"));
    }
    findings.positive("store.postgres.connect_timeout", postgres.connect_timeout.is_zero());
    findings.positive("store.postgres.statement_timeout", postgres.statement_timeout.is_zero());
    if let Some(file) = &postgres.ca_file
        && let Err(error) = environment.file(file)
    {
        findings.add("store.postgres.ca_file", format!("{} cannot be read: {error}", file.display()));
    }
}

/// The URL of the database. The messages about it show nothing of it.
pub(super) fn postgres_url(
    store: &Store,
    environment: &dyn Environment,
    findings: &mut Findings<'_>,
) -> Option<Credential> {
    let path = "store.postgres.url";
    let url = findings.required(path, store.postgres.as_ref()?.url.as_ref())?.resolve(environment);
    let is_postgres = |text: &str| {
        Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "postgres" | "postgresql")
                && url.host_str().is_some_and(|host| !host.is_empty())
        })
    };
    let url = url.and_then(|url| if is_postgres(&url) { Ok(url) } else { Err(URL.to_owned()) });
    url.map(Credential::new).map_err(|message| findings.add(path, message)).ok()
}
