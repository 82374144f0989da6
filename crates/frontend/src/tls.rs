//! The certificate that the gateway shows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What TLS is spoken with.
pub use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One of the two files cannot be read, or is not what it should be.
    #[error("reading {path} failed")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// The files do not belong together, or hold a kind of key that we do not know.
    #[error("the certificate and the key cannot be used")]
    Use(#[from] rustls::Error),
}

/// Reads a chain of certificates, the gateway's own first, and its private key, both in PEM. Blocks: it reads files.
/// Offers HTTP/2 and HTTP/1.1, TLS 1.2 and 1.3.
pub fn load(certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Read { path, source }
    };
    let chain: Vec<_> =
        CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect).map_err(at(certificate))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(at(key))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files {
        _dir: tempfile::TempDir,
        certificate: PathBuf,
        key: PathBuf,
    }

    fn files(certificate: &str, key: &str) -> Files {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["cert.pem", "key.pem"].map(|name| dir.path().join(name));
        std::fs::write(&paths[0], certificate).unwrap();
        std::fs::write(&paths[1], key).unwrap();
        let [certificate, key] = paths;
        Files { _dir: dir, certificate, key }
    }

    #[test]
    fn a_pair_is_read_and_both_protocols_are_offered() {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let files = files(&pair.cert.pem(), &pair.signing_key.serialize_pem());
        let config = load(&files.certificate, &files.key).unwrap();
        assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let pair = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (mine, other) = (pair(), pair());
        let strange = files(&mine.cert.pem(), &other.signing_key.serialize_pem());
        assert!(matches!(load(&strange.certificate, &strange.key), Err(TlsError::Use(_))));
        let empty = files("", "");
        assert!(load(&empty.certificate, &empty.key).is_err());
        assert!(matches!(load(Path::new("/nowhere.pem"), &empty.key), Err(TlsError::Read { .. })));
    }
}
