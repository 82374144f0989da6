//! Config files for gateways whose upstreams are sandboxes. They are written as JSON, which is YAML too, so a story
//! changes what it needs by name: `config["limits"]["concurrent_tasks"] = json!(3)`.

use serde_json::{Value, json};

/// The environment variable from which every account takes its credential.
pub(crate) const CREDENTIAL: &str = "UPSTREAM_KEY";

/// What the stories make: the cheapest of its kind, and which account of [`config()`] has it.
pub mod model {
    /// A video at `kie`.
    pub const KIE_VIDEO: &str = "veo3";
    /// A video from one or two frames at `kie`.
    pub const KIE_FRAMES: &str = "veo3-fast-frames";
    /// A video at `v2`.
    pub const V2_VIDEO: &str = "veo3.1-fast";
    /// An image at `v2`.
    pub const V2_IMAGE: &str = "nano-banana";
    /// A sound at `v2`.
    pub const V2_AUDIO: &str = "suno-v4";
}

/// An account of that name at an upstream of `provider`'s API, asked often.
pub fn account(name: &str, provider: &str, base_url: &str) -> Value {
    json!({
        "name": name,
        "provider": provider,
        "base_url": base_url,
        "credential": format!("env:{CREDENTIAL}"),
        "poll": { "first": "100ms", "shortest": "100ms", "longest": "500ms" },
    })
}

/// A route: who is tried, in order.
pub fn route(model: &str, accounts: &[&str]) -> Value {
    json!({ "model": model, "accounts": accounts })
}

/// A config with these accounts and routes, and waits that suit a story: an unknown outcome is held for 2 seconds, and
/// what must not run out on a busy machine is long.
pub fn of(accounts: Vec<Value>, routes: Vec<Value>) -> Value {
    json!({
        "server": {},
        "limits": {},
        "tasks": { "unknown_hold": "2s", "submit_timeout": "40s", "poll_timeout": "20s", "result_timeout": "40s" },
        "accounts": accounts,
        "routes": routes,
    })
}

/// A config with the accounts `kie` and `v2`, both at the sandbox at `base_url`, and the routes of [`model`].
pub fn config(base_url: &str) -> Value {
    let accounts = vec![account("kie", "kie", base_url), account("v2", "v2", base_url)];
    let routes = vec![
        route(model::KIE_VIDEO, &["kie"]),
        route(model::KIE_FRAMES, &["kie"]),
        route(model::V2_VIDEO, &["v2"]),
        route(model::V2_IMAGE, &["v2"]),
        route(model::V2_AUDIO, &["v2"]),
    ];
    of(accounts, routes)
}

/// The body of a request for a small image, which is the cheapest thing to make.
pub fn image(prompt: &str) -> Value {
    json!({ "prompt": prompt, "model": model::V2_IMAGE, "size": "32x32" })
}

/// The body of a request for a video of `model`.
pub fn video(prompt: &str, model: &str) -> Value {
    json!({ "prompt": prompt, "model": model })
}
