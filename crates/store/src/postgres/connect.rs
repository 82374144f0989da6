//! How connections are made, and what durability rests on in each.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure::Failure;
use super::settings::PostgresSettings;
use crate::StoreError;

/// How long a transaction may wait for its next statement, which is a round trip away. Whoever is cut off within one holds
/// rows that others must take over, so this is well below the shortest promise about that.
pub(super) const IDLE_IN_TRANSACTION_MAX: Duration = Duration::from_secs(2);

/// The oldest server that has what the statements use.
const SERVER_VERSION_MIN: u32 = 13;
const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
const KEEPALIVE_TRIES: u32 = 3;

/// What a connection is made from.
pub(super) struct Connecting {
    pub(super) config: Config,
    pub(super) tls: MakeRustlsConnect,
}

/// Reads the URL and the certificates. No network is used.
pub(super) fn plan(settings: &PostgresSettings) -> Result<Connecting, StoreError> {
    let unusable = |what: String| StoreError::Unavailable(what);
    // Certificates are always checked, so that all modes which ask for TLS are the strictest one.
    let url = settings.url.expose().replace("sslmode=verify-full", "sslmode=require");
    let url = url.replace("sslmode=verify-ca", "sslmode=require");
    // The parser's own text may hold parts of the URL, thus of its password.
    let mut config =
        Config::from_str(&url).map_err(|_| unusable("the URL of the database cannot be read".to_owned()))?;
    config
        .application_name("filmgate")
        .connect_timeout(settings.connect_timeout)
        .keepalives(true)
        .keepalives_idle(KEEPALIVE_IDLE)
        .keepalives_interval(KEEPALIVE_INTERVAL)
        .keepalives_retries(KEEPALIVE_TRIES)
        .tcp_user_timeout(settings.statement_timeout);
    let roots = roots(settings.ca_file.as_deref()).map_err(unusable)?;
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Connecting { config, tls: MakeRustlsConnect::new(tls) })
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, String> {
    let Some(path) = ca_file else {
        return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    };
    let unreadable = |error: &dyn std::fmt::Display| format!("reading {}: {error}", path.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))? {
        let certificate = certificate.map_err(|error| unreadable(&error))?;
        roots.add(certificate).map_err(|error| unreadable(&error))?;
    }
    if roots.is_empty() { Err(format!("{} holds no certificates", path.display())) } else { Ok(roots) }
}

/// A connection of its own, outside of the pool: to change the schema, or to listen.
pub(super) async fn alone(
    settings: &PostgresSettings,
) -> Result<(Client, tokio::task::JoinHandle<()>), StoreError> {
    let Connecting { config, tls } = plan(settings)?;
    let refused = |reason: String| StoreError::Unavailable(reason);
    let (client, connection) = tokio::time::timeout(settings.connect_timeout, config.connect(tls))
        .await
        .map_err(|_| refused("the database does not answer".to_owned()))?
        .map_err(|error| refused(Failure::from(error).to_string()))?;
    let task = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to the database ended");
        }
    });
    Ok((client, task))
}

/// Bounds every statement of a new session, and the session itself; pins in it that a commit is durable before it is
/// answered.
///
/// # Errors
/// In words, if it is not, and could not be made so.
pub(super) async fn set_up(
    client: &Client,
    statement_timeout: Duration,
    allow_unsafe: bool,
) -> Result<(), String> {
    let read = "SELECT current_setting('synchronous_commit'), current_setting('server_version_num', true),
                       current_setting('fsync', true), current_setting('full_page_writes', true)";
    let row = client.query_one(read, &[]).await.map_err(|error| Failure::from(error).to_string())?;
    let setting = |column: usize| row.try_get::<_, Option<String>>(column).ok().flatten().unwrap_or_default();
    let (commit, version) = (setting(0), setting(1));
    let version = version.parse::<u32>().unwrap_or_default() / 10_000;
    if (1..SERVER_VERSION_MIN).contains(&version) {
        return Err(format!("PostgreSQL {version} is too old: {SERVER_VERSION_MIN} or later is needed"));
    }
    if let Some(why) = unsafe_because(&commit, &setting(2), &setting(3)).filter(|_| !allow_unsafe) {
        return Err(why);
    }
    let millis = statement_timeout.as_millis();
    // Pinned: otherwise a reload of the server's configuration could change it under this session.
    let bounds = format!(
        "SET synchronous_commit = '{commit}'; SET statement_timeout = {millis};
         SET idle_in_transaction_session_timeout = {}; SET default_transaction_isolation = 'read committed'",
        IDLE_IN_TRANSACTION_MAX.as_millis()
    );
    client.batch_execute(&bounds).await.map_err(|error| Failure::from(error).to_string())?;
    end_without_us(client).await;
    Ok(())
}

/// Has the server end the session soon after this process, or the way to it, has vanished. It would keep it for two hours,
/// and the place that it takes from others.
pub(super) async fn end_without_us(client: &Client) {
    let keepalives = format!(
        "SET tcp_keepalives_idle = {}; SET tcp_keepalives_interval = {}; SET tcp_keepalives_count = {KEEPALIVE_TRIES}",
        KEEPALIVE_IDLE.as_secs(),
        KEEPALIVE_INTERVAL.as_secs()
    );
    if let Err(error) = client.batch_execute(&keepalives).await {
        tracing::debug!(%error, "sessions of gateways that vanish end when the server's own settings say so");
    }
}

/// Why a server with these settings would lose what it has answered.
fn unsafe_because(synchronous_commit: &str, fsync: &str, full_page_writes: &str) -> Option<String> {
    let off =
        |name: &str| format!("the database runs with {name} = off: it would lose tasks that it has accepted");
    match (synchronous_commit, fsync, full_page_writes) {
        ("off", ..) => Some(off("synchronous_commit")),
        (_, "off", _) => Some(off("fsync")),
        (_, _, "off") => {
            tracing::warn!(
                "the database runs with full_page_writes = off: safe only on storage that never tears a page"
            );
            None
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_forgets_is_refused() {
        assert!(unsafe_because("off", "on", "on").is_some_and(|why| why.contains("synchronous_commit")));
        assert!(unsafe_because("on", "off", "on").is_some_and(|why| why.contains("fsync")));
        for safe in ["on", "local", "remote_write", "remote_apply"] {
            assert_eq!(unsafe_because(safe, "on", "on"), None);
        }
        assert_eq!(unsafe_because("on", "", ""), None, "engines that have no such setting");
    }

    #[test]
    fn a_url_that_cannot_be_read_is_not_repeated() {
        let settings = PostgresSettings::new(domain::Credential::new("postgres://u:secret@[::1/x"));
        let error = plan(&settings).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("cannot be read") && !error.contains("secret"), "{error}");
    }
}
