//! One stored task, any dialect: what is made through one client API can be read through each of the others, until it
//! has succeeded there, too.

use http::StatusCode;
use serde_json::{Value, json};
use tests::{Gateway, eventually};

/// A client API, as far as this story goes. `{id}` stands for the task.
struct Api {
    name: &'static str,
    /// Where a clip is asked for, and with what.
    create: &'static str,
    body: fn() -> Value,
    /// Where in the answer the task's id is.
    id_at: &'static str,
    /// Where the task is read.
    read: &'static str,
    /// Where the answer says how the task stands, and what it says at the end.
    state_at: &'static str,
    done: fn() -> Value,
}

const PROMPT: &str = "a lighthouse in a storm";

const APIS: &[Api] = &[
    Api {
        name: "v2",
        create: "/v2/videos/generations",
        body: || json!({ "prompt": PROMPT, "model": "veo3.1-fast" }),
        id_at: "/task_id",
        read: "/v2/videos/generations/{id}",
        state_at: "/status",
        done: || json!("SUCCESS"),
    },
    Api {
        name: "evolink",
        create: "/v1/videos/generations",
        body: || json!({ "prompt": PROMPT, "model": "veo3.1-fast" }),
        id_at: "/id",
        read: "/v1/tasks/{id}",
        state_at: "/status",
        done: || json!("completed"),
    },
    Api {
        name: "apixo",
        create: "/api/v1/generateTask/veo-3-1",
        body: || {
            json!({
                "request_type": "async",
                "input": { "mode": "fast", "prompt": PROMPT, "generationType": "TEXT_2_VIDEO" }
            })
        },
        id_at: "/data/taskId",
        read: "/api/v1/statusTask/veo-3-1?taskId={id}",
        state_at: "/data/state",
        done: || json!("success"),
    },
];

#[tokio::test]
async fn a_task_made_through_one_api_is_read_through_all() {
    let gateway = Gateway::embedded().await;
    let client = gateway.client();
    let mut made = Vec::new();
    for api in APIS {
        let reply = client.post(api.create, (api.body)().to_string()).await;
        assert!(reply.status.is_success(), "{}: {reply:?}", api.name);
        let id = reply.json().pointer(api.id_at).and_then(Value::as_str).map(str::to_owned);
        made.push((api.name, id.unwrap_or_else(|| panic!("{}: no id in {reply:?}", api.name))));
    }
    for (maker, id) in &made {
        for api in APIS {
            let path = api.read.replace("{id}", id);
            eventually(&format!("{} reads what {maker} made", api.name), async || {
                let reply = client.get(&path).await;
                assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
                (reply.json().pointer(api.state_at) == Some(&(api.done)())).then_some(())
            })
            .await;
        }
    }
}
