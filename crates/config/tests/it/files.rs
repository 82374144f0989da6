//! The files in `config/`: all load, and the generated ones are up to date.

use std::path::{Path, PathBuf};

use crate::world::{World, known, yaml_files};
use config::Config;

fn load(name: &str, text: &str) -> Config {
    let world = World { anything: true, ..World::default() };
    config::parse_in(text, name, &known(), &world).unwrap_or_else(|problems| panic!("{problems}"))
}

fn of_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn assert_current(path: &str, expected: &str) {
    let stored = std::fs::read_to_string(of_repository(path)).unwrap_or_default();
    assert!(stored == expected, "{path} is out of date: run `cargo xtask schema`");
}

#[test]
fn every_file_loads() {
    let files = yaml_files("../../config");
    assert!(files.len() >= 5, "the files are not where they should be");
    for file in files {
        load(&file.display().to_string(), &std::fs::read_to_string(&file).unwrap());
    }
}

#[test]
fn the_generated_files_are_up_to_date() {
    for (path, text) in config::generated_files() {
        assert_current(path, &text);
    }
}

#[test]
fn the_reference_means_the_same_as_an_empty_file() {
    let default = format!("{:?}", Config::default());
    assert_eq!(format!("{:?}", load("reference", &config::reference())), default);
    assert_eq!(format!("{:?}", load("empty", "")), default);
}

/// The examples in the reference are comments; taken out of them they must fit together.
#[test]
fn the_examples_of_the_reference_load() {
    let reference = config::reference();
    let uncommented = |line: &str| match line.trim_start().strip_prefix("# ") {
        Some(rest) => format!("{}{rest}\n", &line[..line.len() - line.trim_start().len()]),
        None => format!("{line}\n"),
    };
    let config =
        load("uncommented reference", &reference.lines().skip(1).map(uncommented).collect::<String>());
    assert!(config.server.tls.is_some());
    assert_eq!((config.keys.len(), config.accounts.len(), config.models.len()), (1, 1, 1));
    assert_eq!(config.routes[0].hops[0].account, config.accounts[0].name);
    assert!(config.shared_limits_url.is_some());
}

#[test]
fn the_defaults_are_those_that_are_promised() {
    let config = Config::default();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.admin_listen.to_string(), "127.0.0.1:9090");
    assert_eq!(config.data_dir, Path::new("./filmgate-data"));
    assert_eq!(config.server.body_bytes_max, 64 << 20);
    assert_eq!((config.limits.requests_per_minute, config.limits.concurrent_tasks), (10_000, 1000));
}

#[test]
fn every_bound_that_the_schema_keeps_from_zero_is_checked() {
    let schema = config::schema();
    let mut checked = 0;
    for section in ["server", "store", "tasks", "retention", "limits", "health"] {
        let name = schema["properties"][section]["$ref"].as_str().unwrap().trim_start_matches("#/$defs/");
        for (key, property) in schema["$defs"][name]["properties"].as_object().unwrap() {
            if property["minimum"] != 1 {
                continue;
            }
            let problems =
                config::parse(&format!("{section}: {{{key}: 0}}"), "f", &known()).unwrap_err().to_string();
            assert!(problems.contains(&format!("{section}.{key}: must be greater than zero")), "{problems}");
            checked += 1;
        }
    }
    assert_eq!(checked, 21);
}
