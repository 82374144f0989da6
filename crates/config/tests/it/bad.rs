//! Wrong files: `bad/NAME.yaml` must lead to exactly the problems that `bad/NAME.txt` lists.

use std::collections::HashMap;

use crate::world::{World, known, yaml_files};

fn world() -> World {
    let variables = HashMap::from([
        ("GOOD", "sk-hidden-0123456789"),
        ("SAME", "sk-hidden-0123456789"),
        ("OTHER", "sk-hidden-other-0123456789"),
        ("THIRD", "sk-hidden-third-0123456789"),
        ("SHORT", "sk-hidden"),
        ("SPACED", "sk-hidden 0123456789"),
        ("EMPTY", " \n"),
    ]);
    World { variables, anything: false }
}

#[test]
fn every_problem_of_a_wrong_file_is_told_with_its_place() {
    let files = yaml_files("tests/bad");
    assert!(files.len() > 10, "the corpus is not where it should be");
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let expected = std::fs::read_to_string(file.with_extension("txt")).unwrap_or_default();
        let problems = config::parse_in(&text, "config.yaml", &known(), &world()).expect_err("a bad file");
        if format!("{problems}\n") != expected {
            wrong.push(format!("{}:\n{problems}\n", file.display()));
        }
    }
    assert!(wrong.is_empty(), "other problems than expected:\n\n{}", wrong.join("\n"));
}

#[test]
fn no_message_shows_a_secret() {
    for file in yaml_files("tests/bad") {
        let text = std::fs::read_to_string(&file).unwrap();
        let problems = config::parse_in(&text, "config.yaml", &known(), &world()).expect_err("a bad file");
        let shown = format!("{problems} {problems:?}");
        assert!(!shown.contains("sk-hidden") && !shown.contains("1234567890123456"), "{shown}");
    }
}

#[test]
fn a_file_with_very_many_problems_is_cut_short() {
    let text: String = (0..500).map(|i| format!("wrong{i}: 1\n")).collect();
    let problems = config::parse_in(&text, "config.yaml", &known(), &world()).expect_err("a bad file");
    assert_eq!(problems.len(), 100);
    assert!(problems.to_string().ends_with("config.yaml: only the first 100 problems are listed"));
}

#[test]
fn a_file_that_cannot_be_read_is_one_problem() {
    let problems = config::load("does/not/exist.yaml".as_ref(), &known()).expect_err("no file");
    let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 1);
    assert!(texts[0].starts_with("does/not/exist.yaml: cannot be read: "), "{}", texts[0]);
}
