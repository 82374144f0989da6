//! Each upstream API in turn makes a clip: submitted once, polled, copied, and served by the gateway.

use serde_json::json;
use tests::config::{account, of, video};
use tests::media::probe;
use tests::{Gateway, SandboxProcess};

/// Each provider with its own name of a model, where the operator has to say it.
const PROVIDERS: [(&str, Option<&str>); 16] = [
    ("apimart", None),
    ("apixo", None),
    ("evolink", None),
    ("fal", None),
    ("gemini", None),
    ("interactions", Some("gemini-omni-1.1-flash")),
    ("kie", None),
    ("kling", Some("kling-v2-6")),
    ("luma", Some("ray-2")),
    ("minimax", Some("MiniMax-Hailuo-2.3")),
    ("openai", Some("sora-2")),
    ("replicate", None),
    ("runway", None),
    ("seedance", Some("seedance-1-0-pro-250528")),
    ("v2", None),
    ("vertex", None),
];
const MODEL: &str = "veo3.1-fast";

#[tokio::test]
async fn every_provider_makes_a_clip() {
    for (provider, upstream_model) in PROVIDERS {
        let sandbox = SandboxProcess::start().await;
        let base_url = format!("{}/{provider}", sandbox.url());
        let mut hop = json!({ "account": provider });
        if let Some(upstream_model) = upstream_model {
            hop["upstream_model"] = json!(upstream_model);
        }
        let route = json!({ "model": MODEL, "accounts": [hop] });
        let gateway =
            Gateway::with_config(of(vec![account(provider, provider, &base_url)], vec![route])).await;
        let task = gateway.succeeded("videos", &video("a lighthouse", MODEL)).await;
        assert_eq!(probe(&gateway.output(&task).await).codec, "h264", "{provider}");
        assert_eq!(sandbox.ledger().await.accepted("a lighthouse"), 1, "{provider}");
    }
}
