//! What stands between us and the URLs that others chose: callbacks and inputs of clients, results of upstreams.

use std::io;
use std::net::IpAddr;

use domain::Network;
use http::Uri;
use url::{Host, Url};

use crate::egress::{AddressRule, Egress};
use crate::named::{self, TextRule};
use crate::refusals::{Refusals, Refused};
use crate::resolve::Names;

pub(crate) struct Guard {
    refusals: Refusals,
    rule: AddressRule,
    names: Names,
    allow_names: Vec<String>,
    /// Who opens the connections, if not we.
    pub(crate) proxy: Option<Uri>,
}

impl Guard {
    /// Lets through what is public, and what the operator allows besides.
    pub(crate) fn new(allow: &[Network], egress: &Egress) -> Self {
        Self {
            refusals: Refusals::default(),
            rule: AddressRule { allow: allow.into(), nat64_prefix: egress.nat64_prefix },
            names: Names::new(&egress.nameservers),
            allow_names: egress.allow_names.clone(),
            proxy: egress.proxy.clone(),
        }
    }

    /// Reads a URL; or why it may not be called, for whoever named it.
    pub(crate) fn read(&self, url: &str, rule: TextRule) -> Result<Url, &'static str> {
        self.counted(rule.refused, named::parse(url, rule, &self.allow_names))
    }

    /// Reads where a redirect from `from` leads.
    pub(crate) fn follow(&self, from: &Url, location: &str) -> Result<Url, &'static str> {
        self.counted(Refused::Redirect, named::join(from, location, &self.allow_names))
    }

    /// What was refused since the start, by what it was.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.refusals.totals()
    }

    fn counted(&self, what: Refused, read: Result<Url, &'static str>) -> Result<Url, &'static str> {
        read.and_then(|url| self.vet(url)).inspect_err(|_reason| self.refusals.count(what))
    }

    /// What can be told before anything is resolved.
    fn vet(&self, url: Url) -> Result<Url, &'static str> {
        let address = match url.host() {
            Some(Host::Ipv4(v4)) => IpAddr::V4(v4),
            Some(Host::Ipv6(v6)) => IpAddr::V6(v6),
            _ => return Ok(url),
        };
        if self.rule.admits(address) { Ok(url) } else { Err("must be a public address") }
    }

    /// The addresses of `host`, all of which may be dialled. One that may not refuses the whole name: a mixed answer is
    /// how a guard is walked around.
    pub(crate) async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) if named::is_allowed(host, &self.allow_names) => self.names.addresses_inside(host).await?,
            Err(_) => self.names.addresses(host).await?,
        };
        let vetted = |address: &IpAddr| failpoints::removed("dial_check") || self.rule.admits(*address);
        if !addresses.iter().all(vetted) {
            self.refusals.count(Refused::Address);
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the address is not public"));
        }
        // Mapped addresses are dialled as what they mean.
        Ok(addresses.into_iter().map(|address| address.to_canonical()).collect())
    }
}
