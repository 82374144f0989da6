//! The operator asks where a request would go, and nothing goes anywhere.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use serde_json::json;
use tests::config::{account, of, route};
use tests::{Finished, Process};

/// `filmgate explain` with three accounts at an address where nobody is.
async fn explain(arguments: &[&str]) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("filmgate.yaml");
    let base_url = "https://upstream.example";
    let mut config = of(
        ["kie", "apixo", "gemini"].map(|name| account(name, name, base_url)).into(),
        vec![route("veo3.1-fast", &["kie", "apixo", "gemini"])],
    );
    config["data_dir"] = json!(folder.path().join("data"));
    std::fs::write(&file, config.to_string()).unwrap();
    let mut command = Process::command();
    command.arg("explain").arg("--config").arg(&file).args(arguments).env("UPSTREAM_KEY", "the-secret-key");
    let finished = Process::run(&mut command).await;
    assert!(!folder.path().join("data").exists(), "it leaves nothing behind");
    finished
}

#[tokio::test]
async fn who_would_be_asked_for_what_and_who_cannot_be() {
    let said = explain(&["--model", "veo3.1-fast", "--prompt", "a heron", "--duration", "6"]).await;
    assert!(said.status.success(), "{said:?}");
    let parts: Vec<&str> = said.stdout.split("\n2. ").collect();
    assert!(
        parts[0].starts_with("1. kie (kie, veo3_fast)\n   POST /api/v1/veo/generate HTTP/1.1"),
        "{said:?}"
    );
    assert!(parts[0].contains("\"duration\": 6") && parts[0].contains("a heron"), "{said:?}");
    assert!(said.stdout.contains("3. gemini (gemini, "), "{said:?}");
    assert!(!said.stdout.contains("the-secret-key"), "{said:?}");
}

#[tokio::test]
async fn what_an_account_cannot_express_is_named() {
    let said = explain(&["--model", "veo3.1-fast", "--aspect-ratio", "9:16", "--duration", "5"]).await;
    assert!(said.stdout.contains("cannot be asked: duration"), "{said:?}");
}

#[tokio::test]
async fn a_request_that_would_be_refused_says_why() {
    for (arguments, reason) in [
        (&["--model", "veo31-fast"][..], "veo3.1-fast, veo2-fast?"),
        (&["--model", "veo3.1-fast", "--aspect-ratio", "4:3"][..], "aspect_ratio: \"4:3\" is not possible"),
        (&["--model", "sora-2"][..], "does not exist"),
    ] {
        let said = explain(arguments).await;
        assert!(!said.status.success() && said.stdout.contains(reason), "{said:?}");
    }
}
