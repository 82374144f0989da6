//! The EventSource that browsers have, as its package for other places has it: it reads a stream to its end, comes back when
//! the line breaks, and stops at the end.

use serde_json::{Value, json};

use crate::script::Script;
use crate::server::Server;

/// The ids of all events, which rise to an end that comes once.
fn assert_told(seen: &Value) -> Vec<u64> {
    let events = seen["events"].as_array().unwrap();
    let ids: Vec<u64> = events.iter().map(|event| event["id"].as_u64().unwrap()).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "nothing twice: {seen}");
    let names: Vec<&str> = events.iter().map(|event| event["name"].as_str().unwrap()).collect();
    assert_eq!(names.iter().filter(|name| **name == "SUCCESS").count(), 1, "{seen}");
    assert_eq!(names.last(), Some(&"SUCCESS"), "{seen}");
    assert!(events.iter().all(|event| event["name"] == event["data"]["status"]), "{seen}");
    ids
}

#[tokio::test]
async fn the_standard_client_reads_a_stream_to_its_end_and_comes_back_no_more() {
    let server = Server::gateway().await;
    let seen = Script::new("event_source.js").run(&[server.base_url(), server.key()], &[]).await;

    let whole = &seen["whole"];
    let ids = assert_told(whole);
    assert_eq!(whole["statuses"], json!([200, 204]), "it asked once more, and was told to stop: {whole}");
    assert_eq!(whole["asked_with"], json!([null, ids.last().unwrap().to_string()]));

    let broken = &seen["broken"];
    assert_told(broken);
    assert_eq!(broken["statuses"], json!([200, 200, 204]), "{broken}");
    assert_eq!(broken["asked_with"][1], broken["events"][0]["id"].to_string(), "it went on where it was");

    let absent = &seen["absent"];
    assert_eq!((&absent["statuses"], &absent["events"]), (&json!([404]), &json!([])), "{absent}");
}
