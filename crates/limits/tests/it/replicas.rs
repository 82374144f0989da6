//! Several gateways on one Redis count as one.

use std::time::{Duration, Instant};

use domain::{AccountName, OwnerId, TaskId};
use limits::{Holding, LimitKey, Limiter, Rate, RateVerdict, SharedLimiter, SharedSettings, SlotVerdict};
use tokio::task::JoinSet;

use crate::server::{Server, local};

const LEASE: Duration = Duration::from_secs(600);

fn client() -> LimitKey {
    LimitKey::Client(OwnerId::new("a"))
}

/// Runs `work` for each of three gateways, each with a thread, a runtime and a connection of its own.
fn on_three_gateways<F>(server: &Server, work: impl Fn(usize, SharedLimiter) -> F + Sync) -> usize
where
    F: Future<Output = usize>,
{
    std::thread::scope(|scope| {
        let gateway = |number| {
            let work = &work;
            move || {
                let runtime =
                    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
                runtime.expect("a runtime").block_on(async { work(number, server.limiter(3).await).await })
            }
        };
        let threads: Vec<_> = (0..3).map(|number| scope.spawn(gateway(number))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    })
}

#[test]
fn three_gateways_pass_exactly_one_limit() {
    let server = Server::start();
    let start = Instant::now();
    let passed = on_three_gateways(&server, async |_, limiter| {
        let mut passed = 0;
        for _request in 0..1_000 {
            let verdict = limiter.check(&[(client(), Rate::with_burst(1_000, 1_000))]).await;
            passed += usize::from(matches!(verdict, RateVerdict::Allowed(_)));
        }
        assert_eq!(limiter.stats().outages, 0);
        passed
    });
    let refilled = usize::try_from(start.elapsed().as_millis() / 60).unwrap();
    assert!((1_000..=1_000 + refilled).contains(&passed), "{passed} of 1,000 and {refilled}");
}

#[test]
fn three_thousand_tasks_of_three_gateways_get_exactly_a_thousand_slots() {
    let server = Server::start();
    let taken = on_three_gateways(&server, async |number, limiter| {
        let limiter = std::sync::Arc::new(limiter);
        let mut takers = JoinSet::new();
        for task in 0..1_000 {
            let limiter = std::sync::Arc::clone(&limiter);
            takers.spawn(async move {
                let task = TaskId::new(format!("{number}-{task}"));
                limiter.acquire(&task, &[(client(), 1_000)], LEASE).await
            });
        }
        takers.join_all().await.into_iter().filter(|verdict| *verdict == SlotVerdict::Taken).count()
    });
    assert_eq!(taken, 1_000);
}

#[tokio::test]
async fn a_gateway_that_died_leaves_its_slots_to_its_successor() {
    let server = Server::start();
    let (died, account) = (server.limiter(2).await, LimitKey::Account(AccountName::new("x")));
    let task = TaskId::new("t1");
    died.acquire(&task, &[(account.clone(), 1)], LEASE).await;
    drop(died);
    let successor = server.limiter(2).await;
    let full = SlotVerdict::Full { index: 0, in_use: 1 };
    assert_eq!(successor.acquire(&TaskId::new("t2"), &[(account.clone(), 1)], LEASE).await, full);
    let holding = Holding { task, keys: vec![account.clone()] };
    successor.hold(std::slice::from_ref(&holding), LEASE).await;
    assert_eq!(successor.in_use(&account).await, 1, "it is counted once");
    successor.release(&holding).await;
    assert_eq!(successor.acquire(&TaskId::new("t2"), &[(account, 1)], LEASE).await, SlotVerdict::Taken);
}

#[tokio::test]
async fn gateways_with_other_prefixes_do_not_meet() {
    let server = Server::start();
    for key_prefix in ["blue", "green"] {
        let settings = SharedSettings { key_prefix: key_prefix.into(), ..server.settings(local(1)) };
        let limiter = SharedLimiter::start(settings).await.unwrap();
        let verdict = limiter.check(&[(client(), Rate::with_burst(1, 1))]).await;
        assert!(matches!(verdict, RateVerdict::Allowed(_)), "{key_prefix}");
    }
}

#[tokio::test]
async fn all_keys_have_one_hash_tag_and_an_end() {
    let server = Server::start();
    let limiter = server.limiter(1).await;
    let model = LimitKey::ClientModel(OwnerId::new("a{b}"), "m".to_owned());
    limiter.check(&[(client(), Rate::per_minute(60)), (model.clone(), Rate::per_minute(6))]).await;
    limiter.acquire(&TaskId::new("t"), &[(client(), 1), (model, 1)], LEASE).await;
    let mut connection = server.connection();
    let names: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
    assert_eq!(names.len(), 4);
    for name in names {
        assert!(name.starts_with("{filmgate}:"), "{name}");
        let left: i64 = redis::cmd("PTTL").arg(&name).query(&mut connection).unwrap();
        assert!(left > 0, "{name} stays for ever");
    }
}
