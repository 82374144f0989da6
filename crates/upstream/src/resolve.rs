//! Names that others chose: asked of name servers under bounds of our own. An answer that is no answer ends the try.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name;

/// For one question to one name server.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a question is asked again that was not answered.
const QUESTIONS_AGAIN: usize = 1;
/// Addresses that one name may have; one with more is refused as a whole.
const ADDRESSES_MAX: usize = 32;
/// Answers that are kept.
const KEPT_MAX: u64 = 1024;
/// How long an answer is kept at most, if its own time is longer. That there is none is not kept at all: the next try
/// asks anew.
const KEPT_FOR_MAX: Duration = Duration::from_secs(60);

/// The names that others choose.
pub(crate) struct Names {
    resolver: Result<TokioResolver, String>,
}

impl Names {
    /// Asks `nameservers`, or those of the system if there are none. Where the system names none either, nothing is found.
    pub(crate) fn new(nameservers: &[SocketAddr]) -> Self {
        let resolver = build(nameservers).map_err(|error| format!("there is no name server to ask: {error}"));
        if let Err(error) = &resolver {
            tracing::warn!("{error}; no callback, input or result can be reached by name");
        }
        Self { resolver }
    }

    /// The addresses of the name that is exactly `name`.
    pub(crate) async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.lookup(exactly(name)?).await
    }

    /// The addresses of a name inside: below the system's search domains too.
    pub(crate) async fn addresses_inside(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.lookup(Name::from_ascii(name).map_err(io::Error::other)?).await
    }

    async fn lookup(&self, name: Name) -> io::Result<Vec<IpAddr>> {
        let resolver = self.resolver.as_ref().map_err(|error| io::Error::other(error.clone()))?;
        let answer = resolver.lookup_ip(name).await.map_err(io::Error::other)?;
        let addresses: Vec<IpAddr> = answer.iter().take(ADDRESSES_MAX + 1).collect();
        match addresses.len() {
            0 => Err(io::Error::other("the host has no address")),
            1..=ADDRESSES_MAX => Ok(addresses),
            _ => Err(io::Error::other("the host has too many addresses")),
        }
    }
}

/// The name itself and no other: never one of a search domain, where a name from outside would lead inside.
fn exactly(name: &str) -> io::Result<Name> {
    let mut name = Name::from_ascii(name).map_err(io::Error::other)?;
    name.set_fqdn(true);
    Ok(name)
}

fn build(nameservers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let mut builder = if nameservers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let servers = nameservers.iter().map(|server| name_server(*server)).collect();
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    bound(builder.options_mut());
    builder.build()
}

fn bound(options: &mut ResolverOpts) {
    options.timeout = QUESTION_TIMEOUT;
    options.attempts = QUESTIONS_AGAIN;
    options.edns0 = true;
    // Both at once: a name of which one half is refused is refused.
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.use_hosts_file = ResolveHosts::Always;
    options.cache_size = KEPT_MAX;
    options.positive_max_ttl = Some(KEPT_FOR_MAX);
    options.negative_max_ttl = Some(Duration::ZERO);
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    for connection in &mut server.connections {
        let ConnectionConfig { port, .. } = connection;
        *port = address.port();
    }
    server
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_outside_is_looked_for_nowhere_else() {
        assert!(exactly("example.com").unwrap().is_fqdn());
        assert!(!Name::from_ascii("example.com").unwrap().is_fqdn(), "or search domains would be tried");
    }
}
