//! The way out, and all that it can meet.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use upstream::{Bounds, DownloadError, Egress, Fetch, Settings, Upstream};
use url::{Host, Url};

use crate::dns::Dns;
use crate::internet::{Internet, Manner};
use crate::judge::{Row, Tally, Verdict, Way};

const PATIENCE: Duration = Duration::from_secs(20);
/// For resolving, connecting and TLS; long enough for a name server that never answers to be told from a slow one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(6);
/// Where servers listen in a network of our own.
const PORTS: &[u16] = &[443, 80, 1024, 8080, 8443, 10443, 65535];
/// What stands for the Internet where there is no network of our own.
const STAND_IN: &str = "127.77.0.0/16";
/// Addresses inside, of every kind that matters.
const TRAPS: &[&str] = &[
    "10.0.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "192.168.1.1",
    "172.17.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "0.0.0.0",
    "198.18.0.1",
    "192.0.0.192",
    "169.254.170.2",
    "127.255.255.254",
];

pub(crate) struct World {
    /// Whether this is a network of our own.
    pub(crate) apart: bool,
    pub(crate) internet: Arc<Internet>,
    pub(crate) dns: Arc<Dns>,
    pub(crate) way_out: Upstream,
    port: u16,
}

impl World {
    pub(crate) fn start(apart: bool) -> Self {
        let (internet, port) = Internet::start(if apart { PORTS } else { &[0] });
        let dns = Dns::start(public(apart, 1));
        let way_out = Upstream::new(settings(&[]));
        let mut world = Self { apart, internet, dns, way_out, port };
        world.way_out = world.way_out(Egress::default());
        world
    }

    /// A way out that differs from the usual one; what makes it work in this world is seen to.
    pub(crate) fn way_out(&self, egress: Egress) -> Upstream {
        self.way_out_with(if self.apart { &[] } else { &[STAND_IN] }, egress)
    }

    /// The same, that may dial what is in `allow` besides public addresses.
    pub(crate) fn way_out_with(&self, allow: &[&str], egress: Egress) -> Upstream {
        let nameservers = vec![self.dns.address];
        let authorities = vec![self.internet.authority.certificate.clone()];
        Upstream::with_egress(settings(allow), &Egress { nameservers, authorities, ..egress })
    }

    /// Some URL with `host`, where its server listens.
    pub(crate) fn at(&self, host: &str) -> String {
        self.url(host, "/x")
    }

    /// The URL of `path` at `host`.
    pub(crate) fn url(&self, host: &str, path: &str) -> String {
        if self.port == 443 {
            format!("https://{host}{path}")
        } else {
            format!("https://{host}:{}{path}", self.port)
        }
    }

    /// The place of a proxy, or of anything else, at `address`.
    pub(crate) fn place(&self, address: IpAddr) -> SocketAddr {
        SocketAddr::new(address, self.port)
    }

    /// A public address.
    pub(crate) fn public(&self, number: u8) -> IpAddr {
        public(self.apart, number)
    }

    /// An IPv6 address that is public, or means one that is.
    pub(crate) fn public_v6(&self, number: u8) -> IpAddr {
        let v4 = self.public(number);
        let text = if self.apart { format!("2606:2800:21f::{number:x}") } else { format!("::ffff:{v4}") };
        text.parse().unwrap()
    }

    /// An address inside.
    pub(crate) fn trap(&self, number: usize) -> IpAddr {
        let stand_in = || format!("127.{}.0.1", number % 64);
        let trap = TRAPS[number % TRAPS.len()];
        if self.apart { trap.parse().unwrap() } else { stand_in().parse().unwrap() }
    }

    /// An IPv6 address inside.
    pub(crate) fn trap_v6(&self, number: usize) -> IpAddr {
        const TRAPS: [&str; 6] =
            ["::1", "fd00:ec2::254", "fe80::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"];
        let trap = if self.apart { TRAPS[number % TRAPS.len()] } else { "::1" };
        trap.parse().unwrap()
    }

    /// Connections that were begun up to now, to whatever address and port.
    pub(crate) fn opened(&self) -> u64 {
        if !self.apart {
            return self.arrived();
        }
        // The kernel's own count, for this network: a packet that nobody hears is counted too.
        let text = std::fs::read_to_string("/proc/self/net/snmp").unwrap();
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
        let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
        let at = names.split(' ').position(|name| name == "ActiveOpens").unwrap();
        values.split(' ').nth(at).unwrap().parse().unwrap()
    }

    /// Connections that have come.
    fn arrived(&self) -> u64 {
        self.settle();
        let ours = self.public(0);
        self.internet.seen().iter().filter(|seen| seen.dialled.ip() != ours).count() as u64
    }

    /// Waits until all connections have come that were opened up to now: one of our own comes last.
    pub(crate) fn settle(&self) {
        let last = TcpStream::connect(self.place(self.public(0))).unwrap();
        let from = last.local_addr().unwrap();
        while !self.internet.seen().iter().any(|seen| seen.from == from) {
            std::thread::yield_now();
        }
    }

    /// What becomes of each row, by each of the ways.
    pub(crate) async fn judge(&self, rows: &[Row], ways: &[Way]) -> Tally {
        let mut tally = Tally::default();
        for row in rows {
            let mut failures = Vec::new();
            for way in ways {
                let before = self.opened();
                let verdict = self.verdict(&row.url, *way, row.verdict).await;
                if verdict != row.verdict {
                    failures.push(format!("{way:?}: {verdict:?} instead of {:?}: {row}", row.verdict));
                }
                if row.verdict != Verdict::Allowed {
                    tally.trapped += self.opened() - before;
                }
            }
            tally.count(row.verdict, failures);
        }
        tally
    }

    async fn verdict(&self, url: &str, way: Way, expected: Verdict) -> Verdict {
        if way == Way::Callback && self.way_out.check_listener(url, false).is_err() {
            return Verdict::Refused;
        }
        if !self.may_dial(url) {
            return if way == Way::Media { expected } else { Verdict::Allowed };
        }
        match way {
            Way::Callback => self.tell(&self.way_out, url).await,
            Way::Media => self.fetch(&self.way_out, url).await,
        }
    }

    /// Whether a connection to where `url` leads would stay here.
    fn may_dial(&self, url: &str) -> bool {
        let is_here = |url: Url| match url.host() {
            Some(Host::Domain(_)) => url.port_or_known_default() == Some(self.port),
            _ => false,
        };
        self.apart || Url::parse(url).is_ok_and(is_here)
    }

    /// Sends a message to `url`.
    pub(crate) async fn tell(&self, way_out: &Upstream, url: &str) -> Verdict {
        match way_out.notify(url, HeaderMap::new(), Bytes::from_static(b"{}"), PATIENCE).await {
            Ok(_status) => Verdict::Allowed,
            Err(_reason) => Verdict::Blocked,
        }
    }

    /// Fetches what is at `url`.
    pub(crate) async fn fetch(&self, way_out: &Upstream, url: &str) -> Verdict {
        let bounds = Bounds { bytes_max: 1000, timeout: PATIENCE };
        let fetch = Fetch { url, account_url: "", credentials: HeaderMap::new(), bounds };
        match way_out.download(&fetch, &mut Vec::new()).await {
            Ok(_downloaded) => Verdict::Allowed,
            Err(DownloadError::Url(_)) => Verdict::Refused,
            Err(_) => Verdict::Blocked,
        }
    }

    /// A name of its own for a server that behaves in its own way, and its address.
    pub(crate) fn behaving(&self, number: u8, manner: Manner) -> (String, IpAddr) {
        let (name, address) = (format!("server{number}.example.com"), self.public(number));
        self.dns.script(&name, vec![crate::dns::Reply { addresses: vec![address], ..Default::default() }]);
        self.internet.behave(address, manner);
        (name, address)
    }
}

fn public(apart: bool, number: u8) -> IpAddr {
    let text = if apart { format!("93.184.215.{number}") } else { format!("127.77.0.{number}") };
    text.parse().unwrap()
}

fn settings(allow: &[&str]) -> Settings {
    Settings {
        connect_timeout: CONNECT_TIMEOUT,
        reply_bytes_max: 1000,
        idle_per_host_max: 4,
        allow: allow.iter().map(|network| network.parse().unwrap()).collect(),
    }
}
