//! Certificates of an authority that the way out trusts, and of some that it does not.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Whom a certificate is for.
pub(crate) enum Subject {
    Name(String),
    /// In both forms, if it has two.
    Address(IpAddr),
}

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: CertificateDer<'static>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().into();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// What a server needs to show a certificate for `subject`, which `change` may spoil first.
    pub(crate) fn server(
        &self,
        subject: Subject,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Arc<ServerConfig> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = match subject {
            Subject::Name(name) => vec![SanType::DnsName(name.try_into().unwrap())],
            Subject::Address(IpAddr::V4(v4)) => {
                vec![SanType::IpAddress(v4.into()), SanType::IpAddress(v4.to_ipv6_mapped().into())]
            }
            Subject::Address(v6) => vec![SanType::IpAddress(v6)],
        };
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        server(vec![certificate.into()], &key)
    }
}

/// A server that shows a chain.
pub(crate) fn server(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap())
}
