//! What `filmgate check` accepts, a gateway can start with.

use std::path::{Path, PathBuf};

use config::Environment;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config as Cases, TestRunner};
use serde_json::{Value, json};

use super::*;
use crate::source;

/// Files of which so many are accepted show something.
const ACCEPTED_MIN: u32 = 30;
const FILES: u32 = 500;
/// Built-in models, models that a file may add, and a name that nothing has.
const MODELS: [&str; 6] = ["veo3.1", "veo3.1-fast", "nano-banana", "film", "reel", "nothing"];
const ACCOUNTS: [&str; 4] = ["first", "second", "sandbox-v2", "nobody"];

/// Whether limits can be shared by such a URL.
const SHARED_URLS: [(&str, bool); 16] = [
    ("redis://127.0.0.1:1", true),
    ("redis://localhost", true),
    ("redis://film:pass%40word@127.0.0.1:1/3", true),
    ("redis://:password@[::1]:1/", true),
    ("valkey://127.0.0.1:1/0", true),
    ("unix:/nowhere/valkey.sock", true),
    ("unix:///nowhere/valkey.sock?db=2&pass=word", true),
    ("redis+unix:///nowhere/valkey.sock", true),
    ("rediss://127.0.0.1:1", false),
    ("redis://127.0.0.1:1/first", false),
    ("redis://127.0.0.1:1/-1", false),
    ("redis://", false),
    ("unix:", false),
    ("127.0.0.1:1", false),
    ("http://127.0.0.1:1", false),
    ("redis://127.0.0.1:99999", false),
];

/// One config file, and secrets for whatever it names.
struct World(String);

impl Environment for World {
    fn variable(&self, name: &str) -> Option<String> {
        if let Some(number) = name.strip_prefix("SHARED_URL_") {
            return number.parse().ok().map(|number: usize| SHARED_URLS[number].0.to_owned());
        }
        Some(format!("the-value-of-{name}-0123456789"))
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        if path == Path::new("filmgate.yaml") {
            Ok(self.0.clone())
        } else {
            Ok(format!("the-text-of-{}-0123456789", path.display()))
        }
    }
}

/// What a gateway would start with, if the file is accepted.
fn started(text: String) -> Result<(Config, Setup), String> {
    let config =
        source::load_in(Path::new("filmgate.yaml"), &World(text)).map_err(|problems| problems.to_string())?;
    let sandbox_url = config.sandbox.embed.then_some(SANDBOX_URL);
    let setup = build(&config, sandbox_url).unwrap_or_else(|error| panic!("accepted, and then: {error:#}"));
    Ok((config, setup))
}

fn maybe<T: Strategy<Value = Value>>(value: T) -> impl Strategy<Value = Value> {
    prop_oneof![3 => Just(Value::Null), 1 => value]
}

fn model() -> impl Strategy<Value = Value> {
    let scope = prop_oneof![6 => Just(json!("videos")), 1 => Just(json!("images")), 1 => Just(Value::Null)];
    let aliases = subsequence(vec!["movie", "clip", "film", "veo3.1"], 0..3).prop_map(|names| json!(names));
    let parts = (
        select(&MODELS[..5]),
        scope,
        maybe(aliases),
        maybe(select(&MODELS[..]).prop_map(|name| json!(name))),
    );
    let images = maybe((0..3, 1..3).prop_map(|(min, max)| json!({ "min": min, "max": max })));
    (parts, images, maybe(any::<bool>().prop_map(|is| json!(is)))).prop_map(
        |((name, scope, aliases, replaced_by), images, deprecated)| {
            json!({
                "name": name, "scope": scope, "aliases": aliases, "replaced_by": replaced_by, "images": images,
                "deprecated": deprecated,
            })
        },
    )
}

fn hop() -> impl Strategy<Value = Value> {
    let price = maybe(Just(json!("0.40")));
    let model = maybe(Just(json!("upstream")));
    let full = (select(&ACCOUNTS[..]), model, price, maybe((0..3).prop_map(|weight| json!(weight))));
    let full = full.prop_map(|(account, upstream_model, price, weight)| {
        json!({ "account": account, "upstream_model": upstream_model, "price": price, "weight": weight })
    });
    prop_oneof![2 => select(&ACCOUNTS[..3]).prop_map(|name| json!(name)), 1 => full]
}

fn route() -> impl Strategy<Value = Value> {
    let strategy = maybe(select(&domain::Strategy::ALL[..]).prop_map(|strategy| json!(strategy.as_str())));
    let price_max = maybe(Just(json!(1)));
    (select(&MODELS[..]), prop::collection::vec(hop(), 1..3), strategy, price_max).prop_map(
        |(model, accounts, strategy, price_max)| {
            json!({ "model": model, "accounts": accounts, "strategy": strategy, "price_max": price_max })
        },
    )
}

fn file() -> impl Strategy<Value = String> {
    let models = prop::collection::vec(model(), 0..4);
    let routes = prop::collection::vec(route(), 0..3);
    let default = maybe(select(&MODELS[..]).prop_map(|name| json!(name)));
    let key_models = maybe(subsequence(MODELS.to_vec(), 1..3).prop_map(|names| json!(names)));
    (models, routes, default, key_models, any::<bool>()).prop_map(|(models, routes, default, key_models, is_priced)| {
        let prices = json!([{ "upstream_model": "veo3_fast", "price": "0.40" }]);
        let account = |name: &str, provider: &str| {
            let prices = if is_priced { prices.clone() } else { json!([]) };
            json!({
                "name": name, "provider": provider, "base_url": "https://a.example", "credential": "env:KEY",
                "prices": prices, "regions": ["eu"],
            })
        };
        json!({
            "sandbox": { "embed": true },
            "accounts": [account("first", "kie"), account("second", "v2")],
            "models": models,
            "routes": routes,
            "default_models": { "videos": default },
            "keys": [{ "name": "studio", "key": "env:STUDIO", "models": key_models, "region": "eu", "price_max": 1 }],
        })
        .to_string()
    })
}

#[test]
fn a_gateway_starts_with_whatever_a_check_accepts() {
    let mut runner = TestRunner::new(Cases { cases: FILES, failure_persistence: None, ..Cases::default() });
    let accepted = std::cell::Cell::new(0);
    let held = runner.run(&file(), |text| {
        let Ok((config, setup)) = started(text) else { return Ok(()) };
        accepted.set(accepted.get() + 1);
        for route in &config.routes {
            prop_assert!(setup.router.serves(&route.model), "{}", route.model);
            prop_assert!(setup.catalogue.get(&route.model).is_some_and(|model| model.name == route.model));
            prop_assert!(route.hops.iter().all(|hop| setup.accounts.contains_key(&hop.account)));
        }
        Ok(())
    });
    held.unwrap();
    assert!(accepted.get() >= ACCEPTED_MIN, "only {} of {FILES} files were accepted", accepted.get());
}

#[test]
fn a_gateway_starts_with_every_file_of_the_repository() {
    let mut folders = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config"))];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                let said = started(std::fs::read_to_string(&path).unwrap());
                assert!(said.is_ok(), "{}: {}", path.display(), said.err().unwrap_or_default());
                files += 1;
            }
        }
    }
    assert!(files >= 7, "the files are not where they should be");
}

#[tokio::test]
async fn limits_are_shared_by_whatever_url_a_check_accepts() {
    for (number, (url, is_accepted)) in SHARED_URLS.into_iter().enumerate() {
        let said = started(format!("limits: {{shared: {{url: 'env:SHARED_URL_{number}'}}}}"));
        assert_eq!(said.is_ok(), is_accepted, "{url}");
        if let Ok((config, _setup)) = said {
            // Nobody is there: it starts in an outage.
            let limiter = crate::limiter::start(&config, &prometheus::Registry::new()).await;
            assert!(limiter.is_ok(), "{url}: {:#}", limiter.err().unwrap());
        }
    }
}

#[test]
fn accounts_are_left_alone_by_default_as_the_choice_has_it() {
    assert_eq!(health(&Health::default()), HealthSettings::default());
}
