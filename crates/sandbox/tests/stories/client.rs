//! A small client, and a sandbox in a folder of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sandbox::{Sandbox, Settings};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Polls before a story is given up; with [`POLL_INTERVAL`] it is a minute.
pub(crate) const POLLS_MAX: usize = 3000;
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Short: the stories that need a task at work say `[sandbox:slow=3600s]`.
const GENERATION: Duration = Duration::from_millis(50);

pub(crate) const KEY: &str = "Bearer some-key";

/// A sandbox and a client of it.
pub(crate) struct House {
    pub(crate) folder: TempDir,
    pub(crate) sandbox: Sandbox,
    pub(crate) client: Client<HttpConnector, Full<Bytes>>,
}

/// A reply, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The settings of a sandbox in `folder`, with faults as `--fault` takes them.
pub(crate) fn settings(folder: &Path, faults: &str) -> Settings {
    let mut settings = Settings::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), folder.join("sandbox"));
    settings.generation = GENERATION;
    settings.faults = faults.parse().unwrap();
    settings
}

impl House {
    /// A sandbox with those faults.
    pub(crate) async fn with_faults(faults: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), faults);
        Self::open(folder, settings).await
    }

    pub(crate) async fn open(folder: TempDir, settings: Settings) -> Self {
        let sandbox = Sandbox::start(settings).await.unwrap();
        Self { folder, sandbox, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    /// One call; `Err` if no whole reply came.
    pub(crate) async fn call(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Reply, Box<dyn std::error::Error>> {
        let (head, body) = self.client.request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Reply { status: head.status, headers: head.headers, body })
    }

    pub(crate) fn request(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
        // A result's URL is absolute, a path of ours is not.
        let uri = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("http://{}{path}", self.sandbox.addr())
        };
        let request = Request::builder().method(method).uri(uri).header(header::AUTHORIZATION, KEY);
        request.body(Full::new(body.into())).unwrap()
    }

    pub(crate) async fn try_get(&self, path: &str) -> Result<Reply, Box<dyn std::error::Error>> {
        self.call(self.request(Method::GET, path, "")).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.try_get(path).await.unwrap()
    }

    pub(crate) async fn try_post(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<Reply, Box<dyn std::error::Error>> {
        self.call(self.request(Method::POST, path, body.to_string())).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.try_post(path, body).await.unwrap()
    }

    /// Sends a file `cat.png` in the field `file` of a form, with some texts.
    pub(crate) async fn send_file(&self, path: &str, texts: &[(&str, &str)]) -> Reply {
        let mut body = String::new();
        for (name, text) in texts {
            body += &format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n");
        }
        body += "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"cat.png\"\r\n\
                 Content-Type: image/png\r\n\r\nPNG bytes\r\n--b--\r\n";
        let mut request = self.request(Method::POST, path, body);
        let content_type = "multipart/form-data; boundary=b".parse().unwrap();
        request.headers_mut().insert(header::CONTENT_TYPE, content_type);
        self.call(request).await.unwrap()
    }

    /// Polls `path` until `ended` finds what it looks for.
    pub(crate) async fn until<T>(&self, path: &str, ended: impl Fn(&Value) -> Option<T>) -> T {
        let mut ticks = tokio::time::interval(POLL_INTERVAL);
        for _ in 0..POLLS_MAX {
            ticks.tick().await;
            if let Some(found) = ended(&self.get(path).await.json()) {
                return found;
            }
        }
        panic!("{path} never said what was waited for; now it says {:?}", self.get(path).await);
    }

    pub(crate) async fn ledger(&self) -> Value {
        self.get("/sandbox/ledger").await.json()
    }

    /// Submits to kie; the reply's body.
    pub(crate) async fn submit_kie(&self, prompt: &str) -> Value {
        self.post("/api/v1/veo/generate", &json!({ "prompt": prompt, "model": "veo3_fast" })).await.json()
    }

    /// The reply's body once a kie task has ended.
    pub(crate) async fn finished_kie(&self, id: &str) -> Value {
        let path = format!("/api/v1/veo/record-info?taskId={id}");
        self.until(&path, |reply| (reply["data"]["successFlag"] != 0).then(|| reply.clone())).await
    }

    /// Submits to `/v2` and waits for the end; the last poll's body.
    pub(crate) async fn finished_v2(&self, scope: &str, body: &Value) -> Value {
        let submitted = self.post(&format!("/v2/{scope}/generations"), body).await.json();
        let path = format!("/v2/{scope}/generations/{}", submitted["task_id"].as_str().unwrap());
        let is_end = |reply: &Value| reply["status"] == "SUCCESS" || reply["status"] == "FAILURE";
        self.until(&path, |reply| is_end(reply).then(|| reply.clone())).await
    }
}
