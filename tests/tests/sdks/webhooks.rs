//! Messages to clients' servers, verified by the libraries of the Standard Webhooks specification in three languages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tests::listener::{Listener, Message};
use tests::{Gateway, Options, figures};

use crate::script::Script;

/// The secret of today, that of yesterday, which receivers may still have, and one of somebody else's.
const SECRETS: [&str; 3] = [
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "whsec_plJ3nmyCDGBKInavdOK15jsl8lj0sJ8l",
];

#[tokio::test]
async fn messages_are_verified_by_the_libraries_of_three_languages() {
    let listener = Listener::start(&[200]).await;
    let config = json!({
        "sandbox": { "embed": true },
        "egress": { "allow": ["127.0.0.1"] },
        "callbacks": { "allow_http": true, "secrets": ["env:TODAY", "env:YESTERDAY"] },
    });
    let options = Options::config(config).variable("TODAY", SECRETS[0]).variable("YESTERDAY", SECRETS[1]);
    let gateway = Gateway::start(options).await;
    let body = json!({ "prompt": "ein Kätzchen", "notify_hook": listener.url() });
    gateway.create("images", &body).await;
    let message = listener.hears(1).await.remove(0);

    let expected = json!({ "verified": [true, true, false], "tampered": false, "renamed": false });
    let given = json!({
        "headers": headers(&message), "body": STANDARD.encode(&message.body), "secrets": SECRETS,
    });
    let given = given.to_string();
    assert_eq!(Script::new("webhooks.py").run(&[&given], &[]).await, expected);
    assert_eq!(Script::new("webhooks.js").run(&[&given], &[]).await, expected);
    assert_eq!(in_rust(&message), expected);
    figures::note("webhook_signatures", json!({ "n": 3, "failures": 0 }));
}

fn headers(message: &Message) -> Value {
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    names
        .iter()
        .map(|name| ((*name).to_owned(), message.header(name).into()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn in_rust(message: &Message) -> Value {
    let verified = |secret: &str, message: &Message| {
        Webhook::new(secret).unwrap().verify(&message.body, &message.headers).is_ok()
    };
    let mut tampered = message.clone();
    tampered.body = [&message.body, &b" "[..]].concat().into();
    let mut renamed = message.clone();
    renamed.headers.insert("webhook-id", "msg_other".parse().unwrap());
    json!({
        "verified": SECRETS.map(|secret| verified(secret, message)),
        "tampered": verified(SECRETS[0], &tampered),
        "renamed": verified(SECRETS[0], &renamed),
    })
}
