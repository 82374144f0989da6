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
        read: "/evolink/v1/tasks/{id}",
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
        name: "gemini",
        create: "/v1beta/models/veo-3.1-fast-generate-preview:predictLongRunning",
        body: || json!({ "instances": [{ "prompt": PROMPT }] }),
        scheme: "Bearer",
        id_at: "/name",
        read: "/v1beta/models/veo3.1-fast/operations/{id}",
        state_at: "/done",
        done: || json!(true),
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
        // Some APIs have names that end with the id.
        let id =
            reply.json().pointer(api.id_at).and_then(|id| id.as_str()?.rsplit('/').next()).map(str::to_owned);
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

/// Where several APIs share a path and a request says nothing of whose it is, the answer is that of the API which the
/// task was made through: the client is most likely the same.
#[tokio::test]
async fn a_read_on_a_shared_path_is_answered_by_the_maker() {
    let gateway = Gateway::embedded().await;
    let body = json!({ "prompt": PROMPT, "model": "veo3.1-fast" }).to_string();
    for (create, id_at, state_at) in [
        ("/apimart/v1/videos/generations", "/data/0/task_id", "/data/status"),
        ("/evolink/v1/videos/generations", "/id", "/status"),
    ] {
        let made = gateway.client().post(create, body.clone()).await.json();
        let id = made.pointer(id_at).and_then(Value::as_str).unwrap_or_else(|| panic!("{made}"));
        let read = gateway.client().get(&format!("/v1/tasks/{id}")).await.json();
        assert!(read.pointer(state_at).is_some(), "{create}: {read}");
    }
}

/// One API asks by a name in a body, and finds the clip itself in the answer.
#[tokio::test]
async fn a_task_is_read_by_a_name_in_a_body() {
    let gateway = Gateway::embedded().await;
    let client = gateway.client();
    let body = json!({ "prompt": PROMPT, "model": "veo3.1-fast" });
    let made_elsewhere =
        client.post("/v2/videos/generations", body.to_string()).await.json()["task_id"].clone();
    let model = "/v1/projects/p/locations/l/publishers/google/models/veo-3.1-fast-generate-001";
    let body = json!({ "instances": [{ "prompt": PROMPT }] });
    let made =
        client.post(&format!("{model}:predictLongRunning"), body.to_string()).await.json()["name"].clone();
    assert!(made.as_str().is_some_and(|name| name.starts_with("projects/p/locations/l/")), "{made}");
    for name in [made, json!(format!("/operations/{}", made_elsewhere.as_str().unwrap_or_default()))] {
        let question = json!({ "operationName": name });
        let operation = eventually(&format!("{name} is done"), async || {
            let path = format!("{model}:fetchPredictOperation");
            let operation = client.post(&path, question.to_string()).await.json();
            (operation["done"] == true).then_some(operation)
        })
        .await;
        let clip = operation["response"]["videos"][0]["bytesBase64Encoded"].as_str().map(str::to_owned);
        // The base64 of the first bytes of every mp4: a length, then ftyp.
        assert!(clip.is_some_and(|clip| clip[5..].starts_with("GZ0eX")), "{name}");
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
