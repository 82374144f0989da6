//! What a shared limiter does while its Redis is away, and when it is back.

use std::time::{Duration, Instant};

use domain::{AccountName, OwnerId, TaskId};
use limits::{
    Holding, LimitKey, Limiter, OnOutage, Rate, RateVerdict, SharedLimiter, SharedSettings, SlotVerdict,
};

use crate::server::{Server, local, until};

const LEASE: Duration = Duration::from_secs(600);
const REPLICAS: u32 = 3;

fn client() -> LimitKey {
    LimitKey::Client(OwnerId::new("a"))
}

fn account() -> LimitKey {
    LimitKey::Account(AccountName::new("x"))
}

fn task(number: u32) -> TaskId {
    TaskId::new(format!("t{number}"))
}

fn holding(number: u32) -> Holding {
    Holding { task: task(number), keys: vec![account()] }
}

async fn is_allowed(limiter: &SharedLimiter, rate: Rate) -> bool {
    matches!(limiter.check(&[(client(), rate)]).await, RateVerdict::Allowed(_))
}

async fn is_taken(limiter: &SharedLimiter, number: u32, max: u32) -> bool {
    limiter.acquire(&task(number), &[(account(), max)], LEASE).await == SlotVerdict::Taken
}

/// Three gateways under more load than their limit lets pass.
struct Load {
    gateways: Vec<SharedLimiter>,
    rate: Rate,
    passed: u32,
}

impl Load {
    /// Goes on until so many were refused while all gateways were as `is_degraded` says.
    async fn until_refused(&mut self, refusals: usize, is_degraded: bool) -> u32 {
        let (before, start) = (self.passed, Instant::now());
        let mut refused = 0;
        while refused < refusals {
            for gateway in &self.gateways {
                if is_allowed(gateway, self.rate).await {
                    self.passed += 1;
                } else if self.gateways.iter().all(|gateway| gateway.is_degraded() == is_degraded) {
                    refused += 1;
                }
            }
            assert!(start.elapsed() < Duration::from_secs(60), "the gateways never are as they should be");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.passed - before
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_under_load_lets_at_most_a_tenth_more_pass_and_ends_by_itself() {
    let mut server = Server::start();
    let rate = Rate::per_minute(6_000);
    let mut gateways = Vec::new();
    for _replica in 0..REPLICAS {
        gateways.push(server.limiter(REPLICAS).await);
    }
    let mut load = Load { gateways, rate, passed: 0 };
    let start = Instant::now();
    let most = |passed: u32| {
        let limit = f64::from(rate.burst()) + f64::from(rate.limit()) / 60.0 * start.elapsed().as_secs_f64();
        assert!(f64::from(passed) <= 1.1 * limit, "{passed} passed where {limit} may");
    };

    load.until_refused(1_000, false).await;
    most(load.passed);
    server.kill();
    let locally = load.until_refused(1_000, true).await;
    most(load.passed);
    assert!(locally > 0, "local shares let something pass");
    server.start_again();
    let shared = load.until_refused(1_000, false).await;
    most(load.passed);
    assert!(shared > 0, "the server lets something pass");
    for gateway in &load.gateways {
        let stats = gateway.stats();
        assert_eq!((stats.outages, stats.unavailable), (1, 0));
        assert!(stats.decided_locally > 0);
    }
}

/// A limit that is slow enough that nothing refills within the test: what passes is a burst, wherever it is counted.
#[tokio::test]
async fn a_change_of_sides_gives_no_second_burst() {
    let mut server = Server::start();
    let (limiter, rate) = (server.limiter(1).await, Rate::with_burst(2, 2));
    assert!(is_allowed(&limiter, rate).await);
    server.kill();
    assert!(is_allowed(&limiter, rate).await, "one is left");
    assert!(!is_allowed(&limiter, rate).await, "what passed there counts here");
    assert!(limiter.is_degraded());
    server.start_again();
    until(|| !limiter.is_degraded()).await;
    let decided_locally = limiter.stats().decided_locally;
    assert!(!is_allowed(&limiter, rate).await, "what passed here counts there");
    assert_eq!(limiter.stats().decided_locally, decided_locally);
}

#[tokio::test]
async fn nothing_passes_without_the_server_where_that_is_wanted() {
    let mut server = Server::start();
    let settings =
        SharedSettings { probe_interval: Duration::from_millis(50), ..server.settings(OnOutage::Deny) };
    let limiter = SharedLimiter::start(settings).await.unwrap();
    let rates = [(client(), Rate::per_minute(600))];
    assert!(matches!(limiter.check(&rates).await, RateVerdict::Allowed(_)));
    server.kill();
    let retry_after = Duration::from_millis(50);
    assert_eq!(limiter.check(&rates).await, RateVerdict::Unavailable { retry_after });
    let verdict = limiter.acquire(&task(1), &[(account(), 1)], LEASE).await;
    assert_eq!(verdict, SlotVerdict::Unavailable { retry_after });
    assert_eq!(limiter.stats().unavailable, 2);
    server.start_again();
    until(|| !limiter.is_degraded()).await;
    assert!(matches!(limiter.check(&rates).await, RateVerdict::Allowed(_)));
    assert!(is_taken(&limiter, 1, 1).await);
}

#[tokio::test]
async fn a_share_of_the_slots_is_kept_and_what_is_held_counts() {
    let mut server = Server::start();
    let limiter = server.limiter(REPLICAS).await;
    for number in 0..2 {
        assert!(is_taken(&limiter, number, 9).await);
    }
    server.kill();
    assert!(is_taken(&limiter, 2, 9).await, "the third of a share of three");
    assert!(!is_taken(&limiter, 3, 9).await);
    limiter.release(&holding(0)).await;
    assert!(is_taken(&limiter, 4, 9).await);
    assert_eq!(limiter.in_use(&account()).await, 3);
}

#[tokio::test]
async fn a_server_that_forgot_everything_is_told_of_what_is_held() {
    let mut server = Server::start();
    let (ours, other) = (server.limiter(2).await, server.limiter(2).await);
    for number in 0..3 {
        assert!(is_taken(&ours, number, 4).await);
    }
    server.kill();
    until(|| ours.is_degraded() && other.is_degraded()).await;
    ours.release(&holding(0)).await;
    ours.hold(&[holding(7)], LEASE).await;
    server.start_again();
    until(|| !ours.is_degraded() && !other.is_degraded()).await;
    assert_eq!(other.in_use(&account()).await, 3);
    assert!(is_taken(&other, 8, 4).await);
    assert!(!is_taken(&other, 9, 4).await, "the slots of both count");
}

/// A stopped server is silent and forgets nothing. What it still hears when it goes on was asked before.
#[tokio::test]
async fn a_silent_server_does_not_keep_anybody_waiting_and_learns_what_was_given_back() {
    let server = Server::start();
    let quick = SharedSettings { response_timeout: Duration::from_millis(200), ..server.settings(local(2)) };
    let limiter = SharedLimiter::start(quick).await.unwrap();
    until(|| !limiter.is_degraded()).await;
    assert!(is_taken(&limiter, 1, 4).await);
    assert!(is_taken(&limiter, 2, 4).await);
    server.stop();
    assert!(!is_taken(&limiter, 3, 4).await, "a share has two slots");
    assert!(limiter.is_degraded());
    assert!(is_taken(&limiter, 2, 4).await, "it is held already");
    limiter.release(&holding(1)).await;
    server.go_on();
    until(|| !limiter.is_degraded()).await;
    assert_eq!(limiter.in_use(&account()).await, 1, "neither the one given back nor the refused one");
}

#[tokio::test]
async fn a_gateway_starts_without_the_server() {
    let mut server = Server::start();
    server.kill();
    let limiter = server.limiter(1).await;
    assert!(limiter.is_degraded());
    assert!(is_allowed(&limiter, Rate::per_minute(6)).await);
    limiter.hold(&[holding(1)], LEASE).await;
    server.start_again();
    until(|| !limiter.is_degraded()).await;
    assert_eq!(limiter.in_use(&account()).await, 1);
}

/// Nobody asks in between, so only the watch can see it.
#[tokio::test]
async fn an_idle_gateway_notices_that_the_server_was_replaced() {
    let mut server = Server::start();
    let (idle, other) = (server.limiter(2).await, server.limiter(2).await);
    assert!(is_taken(&idle, 1, 2).await);
    server.kill();
    server.start_again();
    for gateway in [&idle, &other] {
        until(|| gateway.stats().outages > 0 && !gateway.is_degraded()).await;
    }
    assert_eq!(other.in_use(&account()).await, 1);
}

#[tokio::test]
async fn a_server_without_the_scripts_gets_them() {
    let server = Server::start();
    let limiter = server.limiter(1).await;
    let _: () = redis::cmd("SCRIPT").arg("FLUSH").query(&mut server.connection()).unwrap();
    assert!(is_allowed(&limiter, Rate::per_minute(6)).await);
    assert_eq!(limiter.stats().outages, 0);
}
