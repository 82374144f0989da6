//! One stored task, any dialect: what is made through one client API can be read through each of the others, until it
//! has succeeded there, too.

use http::{Method, header};
use serde_json::{Value, json};
use tests::client::filled;
use tests::{Gateway, Reply, eventually};

/// A client API, as far as this story goes. `{id}` stands for the task.
struct Api {
    name: &'static str,
    /// Where a clip is asked for, and with what.
    create: &'static str,
    body: fn() -> Value,
    /// How a key is presented.
    scheme: &'static str,
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
        scheme: "Bearer",
        id_at: "/task_id",
        read: "/v2/videos/generations/{id}",
        state_at: "/status",
        done: || json!("SUCCESS"),
    },
    Api {
        name: "evolink",
        create: "/v1/videos/generations",
        body: || json!({ "prompt": PROMPT, "model": "veo3.1-fast" }),
        scheme: "Bearer",
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
        scheme: "Bearer",
        id_at: "/data/taskId",
        read: "/api/v1/statusTask/veo-3-1?taskId={id}",
        state_at: "/data/state",
        done: || json!("success"),
    },
    Api {
        name: "kie",
        create: "/api/v1/veo/generate",
        body: || json!({ "prompt": PROMPT, "model": "veo3_fast" }),
        scheme: "Bearer",
        id_at: "/data/taskId",
        read: "/api/v1/veo/record-info?taskId={id}",
        state_at: "/data/successFlag",
        done: || json!(1),
    },
    Api {
        name: "replicate",
        create: "/v1/models/google/veo-3.1-fast/predictions",
        body: || json!({ "input": { "prompt": PROMPT } }),
        scheme: "Bearer",
        id_at: "/id",
        read: "/v1/predictions/{id}",
        state_at: "/status",
        done: || json!("succeeded"),
    },
    Api {
        name: "fal",
        create: "/fal-ai/veo3.1/fast",
        body: || json!({ "prompt": PROMPT }),
        scheme: "Key",
        id_at: "/request_id",
        read: "/fal-ai/veo3.1/requests/{id}/status",
        state_at: "/status",
        done: || json!("COMPLETED"),
    },
    Api {
        name: "apimart",
        create: "/apimart/v1/videos/generations",
        body: || json!({ "prompt": PROMPT, "model": "veo3.1-fast" }),
        scheme: "Bearer",
        id_at: "/data/0/task_id",
        read: "/apimart/v1/tasks/{id}",
        state_at: "/data/status",
        done: || json!("completed"),
    },
    Api {
        name: "openai",
        create: "/v1/videos",
        body: || json!({ "prompt": PROMPT, "model": "veo3.1-fast" }),
        scheme: "Bearer",
        id_at: "/id",
        read: "/v1/videos/{id}",
        state_at: "/status",
        done: || json!("completed"),
    },
    Api {
        name: "interactions",
        create: "/v1beta/interactions",
        body: || json!({ "model": "veo3.1-fast", "input": PROMPT, "background": true }),
        scheme: "Bearer",
        id_at: "/id",
        read: "/v1beta/interactions/{id}",
        state_at: "/status",
        done: || json!("completed"),
    },
];

#[tokio::test]
async fn a_task_made_through_one_api_is_read_through_all() {
    let gateway = Gateway::embedded().await;
    let mut made = Vec::new();
    for api in APIS {
        let reply = call(&gateway, api, Method::POST, api.create, (api.body)().to_string()).await;
        assert!(reply.status.is_success(), "{}: {reply:?}", api.name);
        let id = reply.json().pointer(api.id_at).and_then(Value::as_str).map(str::to_owned);
        made.push((api.name, id.unwrap_or_else(|| panic!("{}: no id in {reply:?}", api.name))));
    }
    for (maker, id) in &made {
        for api in APIS {
            let path = api.read.replace("{id}", id);
            eventually(&format!("{} reads what {maker} made", api.name), async || {
                let reply = call(&gateway, api, Method::GET, &path, String::new()).await;
                assert!(reply.status.is_success(), "{path}: {reply:?}");
                (reply.json().pointer(api.state_at) == Some(&(api.done)())).then_some(())
            })
            .await;
        }
    }
}

async fn call(gateway: &Gateway, api: &Api, method: Method, path: &str, body: String) -> Reply {
    let client = gateway.client();
    let mut request = client.request(method, path);
    if let Some(headers) = request.headers_mut() {
        let key = format!("{} {}", api.scheme, gateway.key());
        headers.insert(header::AUTHORIZATION, key.parse().expect("a key fits into a header"));
    }
    client.call(filled(request, body)).await
}
