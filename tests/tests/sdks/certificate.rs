//! A certificate for `localhost`, for clients that speak TLS only.

use std::path::{Path, PathBuf};

use rcgen::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

/// A certificate that signs itself, and its key, as PEM files.
pub(crate) struct Certificate {
    folder: TempDir,
}

impl Certificate {
    /// A new one.
    pub(crate) fn new() -> Self {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::write(certificate.file(), cert.pem()).unwrap();
        std::fs::write(certificate.key_file(), signing_key.serialize_pem()).unwrap();
        certificate
    }

    /// The certificate, as a file of PEM.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("tls.crt")
    }

    /// Its key, as a file of PEM.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.folder.path().join("tls.key")
    }

    /// The variables by which Python and node trust it; `file` is [`Self::file`].
    pub(crate) fn trusted(file: &Path) -> [(&'static str, &str); 2] {
        let file = file.to_str().unwrap();
        [("SSL_CERT_FILE", file), ("NODE_EXTRA_CA_CERTS", file)]
    }

    /// The certificate.
    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.file()).unwrap()
    }

    /// Its key.
    pub(crate) fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_file(self.key_file()).unwrap()
    }
}
