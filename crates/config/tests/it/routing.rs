//! What a file says of routes, keys and limits, and what it comes to.

use std::collections::HashMap;
use std::time::Duration;

use crate::world::{World, known};
use config::{Config, OnOutage};
use domain::{AccountName, DailyLimits, ImagePatch, ModelLimits, ModelPatch, Money, Preference, Strategy};

const PASSWORD: &str = "sk-hidden-0123456789";

fn load(text: &str) -> Config {
    let variables = HashMap::from([("REDIS_URL", "redis://film:sk-hidden-0123456789@cache.example:6379/2")]);
    let world = World { variables, anything: true };
    config::parse_in(text, "config.yaml", &known(), &world).unwrap_or_else(|problems| panic!("{problems}"))
}

fn money(text: &str) -> Option<Money> {
    Money::parse(text).ok()
}

#[test]
fn a_route_says_how_its_accounts_are_used() {
    let config = load(
        "
accounts:
  - name: main
    provider: kie
    base_url: https://a.example
    credential: env:A
    official: true
    regions: [eu, us]
    daily_tasks: 7
    prices: [{upstream_model: veo3_fast, price: '0.40'}]
  - {name: spare, provider: v2, base_url: https://b.example, credential: env:B, daily_spend: 5}
providers:
  - {provider: kie, requests_per_minute: 3, daily_tasks: 9}
routes:
  - model: veo3-fast
    strategy: round_robin
    price_max: 1.5
    attempts_max: 4
    policy_failover: true
    accounts: [main, {account: spare, tier: 2, weight: 3, price: 0.6}, {account: spare, upstream_model: x, price: 1}]
  - {model: veo3, accounts: [spare]}
",
    );
    let route = &config.routes[0];
    assert_eq!((route.strategy, route.price_max), (Strategy::RoundRobin, money("1.5")));
    assert_eq!((route.attempts_max, route.policy_failover), (Some(4), true));
    let hops: Vec<_> = route
        .hops
        .iter()
        .map(|hop| (hop.account.as_str(), hop.upstream_model.as_str(), hop.tier, hop.weight))
        .collect();
    assert_eq!(hops, [("main", "veo3_fast", 1, 1), ("spare", "veo3-fast", 2, 3), ("spare", "x", 1, 1)]);
    assert!(route.hops.iter().all(|hop| hop.price.is_some()), "the first has that of its account");
    let plain = &config.routes[1];
    assert_eq!((plain.strategy, plain.price_max, plain.attempts_max), (Strategy::Priority, None, None));
    assert!(!plain.policy_failover && plain.hops[0].price.is_none());
    let [main, spare] = &config.accounts[..] else { panic!("two accounts") };
    assert_eq!((main.official, &main.regions[..]), (true, &["eu".to_owned(), "us".to_owned()][..]));
    assert_eq!(main.daily, DailyLimits { tasks: Some(7), spend: None });
    assert_eq!(spare.daily, DailyLimits { tasks: None, spend: money("5") });
    let of_kie = config.providers[0].limits;
    assert_eq!((of_kie.requests_per_minute, of_kie.concurrent_tasks), (Some(3), None));
    assert_eq!(of_kie.daily.tasks, Some(9));
}

#[test]
fn a_key_has_the_limits_of_all_but_for_what_it_says() {
    let config = load(
        "
limits: {requests_per_minute: 100, requests_burst: 50, concurrent_tasks: 9, daily_tasks: 8, daily_spend: 7, budget: 6}
keys:
  - {name: plain, key: env:A}
  - {name: slow, key: env:B, requests_per_minute: 20, daily_spend: 1}
  - {name: own, key: env:C, requests_burst: 2, concurrent_tasks: 3, daily_tasks: 4, budget: 5}
",
    );
    let [plain, slow, own] = &config.keys[..] else { panic!("three keys") };
    assert_eq!(plain.limits, config.limits.of_key());
    assert_eq!(plain.limits.requests_burst, Some(50));
    assert_eq!(plain.limits.daily, DailyLimits { tasks: Some(8), spend: money("7") });
    assert_eq!((slow.limits.requests_per_minute, slow.limits.requests_burst), (20, Some(20)));
    assert_eq!(slow.limits.daily, DailyLimits { tasks: Some(8), spend: money("1") });
    assert_eq!((own.limits.requests_burst, own.limits.concurrent_tasks), (Some(2), 3));
    assert_eq!((own.limits.daily.tasks, own.limits.budget), (Some(4), money("5")));
    assert_eq!(plain.access, domain::Access::default(), "and may use everything");
}

#[test]
fn a_key_says_what_it_may_use() {
    let config = load(
        "
accounts:
  - {name: main, provider: v2, base_url: https://a.example, credential: env:A, regions: [eu]}
keys:
  - name: studio
    key: env:A
    models: [veo3, nano-banana]
    accounts: [main]
    official: true
    region: eu
    strategy: fastest
    price_max: 2
    per_model:
      - {model: veo3, requests_per_minute: 1, concurrent_tasks: 2, daily_tasks: 3, daily_spend: 4}
      - {model: veo3.1}
",
    );
    let access = &config.keys[0].access;
    assert!(access.allows("veo3") && !access.allows("veo3.1"));
    let preference = Preference {
        strategy: Some(Strategy::Fastest),
        official: true,
        price_max: money("2"),
        region: Some("eu".to_owned()),
        accounts: Some(vec![AccountName::new("main")]),
    };
    assert_eq!(access.preference, preference);
    let of_veo3 = ModelLimits {
        requests_per_minute: Some(1),
        concurrent_tasks: Some(2),
        daily: DailyLimits { tasks: Some(3), spend: money("4") },
    };
    assert_eq!(access.per_model["veo3"], of_veo3);
    assert_eq!(access.per_model["veo3.1"], ModelLimits::default());
}

#[test]
fn of_a_built_in_model_only_what_is_said_is_changed() {
    let config = load(
        "
models:
  - {name: veo3, images: {max: 1}, aspect_ratios: [], replaced_by: veo3.1}
  - {name: film, scope: videos, resolutions: [4K], aliases: [movie]}
",
    );
    let images = ImagePatch { max: Some(1), ..ImagePatch::default() };
    let replaced_by = Some("veo3.1".to_owned());
    let aspect_ratios = Some(Vec::new());
    assert_eq!(
        config.models[0],
        ModelPatch { images, aspect_ratios, replaced_by, ..ModelPatch::new("veo3") }
    );
    assert_eq!(config.models[1].resolutions, Some(vec!["4k".to_owned()]));
    assert_eq!(config.models[1].aliases, Some(vec!["movie".to_owned()]));
}

#[test]
fn what_closes_a_route_is_noted_and_is_no_problem() {
    let config = load(
        "
accounts:
  - {name: main, provider: v2, base_url: https://a.example, credential: env:A}
routes:
  - {model: veo3, accounts: [main], price_max: 1}
  - {model: veo3.1, accounts: [main]}
  - {model: veo3-fast, accounts: [{account: main, price: 1}], price_max: 1}
keys:
  - {name: all, key: env:A, price_max: 1}
  - {name: one, key: env:B, price_max: 1, models: [veo3-fast]}
  - {name: free, key: env:C}
",
    );
    let notes: Vec<String> = config.notes.iter().map(ToString::to_string).collect();
    let expected = [
        "config.yaml:5:48 routes[0].price_max: no account here has a price, so none is ever used: nobody could tell what \
         it costs",
        "config.yaml:9:40 keys[0].price_max: accounts have no price for veo3, veo3.1: this key is never served these",
    ];
    assert_eq!(notes, expected);
}

#[test]
fn where_limits_are_shared_may_be_said_here_or_elsewhere() {
    let plain = load("limits: {shared: {url: 'unix:/run/valkey.sock', on_outage: deny, replicas: 3}}");
    assert_eq!(plain.shared_limits_url.unwrap().expose(), "unix:/run/valkey.sock");
    let shared = plain.limits.shared.unwrap();
    assert_eq!((shared.on_outage, shared.replicas), (OnOutage::Deny, 3));
    let defaults = (shared.connect_timeout, shared.response_timeout, shared.probe_interval);
    let millis = Duration::from_millis;
    assert_eq!(defaults, (millis(100), millis(100), millis(500)));

    let hidden = load("limits: {shared: {url: 'env:REDIS_URL'}}");
    assert!(!format!("{hidden:?}").contains(PASSWORD));
    assert!(hidden.shared_limits_url.unwrap().expose().contains(PASSWORD));
}
