//! The contract, as a client of it sees it: the two requests, every field and status, every spelling, real results.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::client::filled;
use tests::config::{config, image, model, video};
use tests::media::{PIXEL_BASE64, pixel, probe};
use tests::{Gateway, Options, SandboxProcess, tool};

/// The members of a poll reply at every status, in order.
const MEMBERS: [&str; 11] = [
    "task_id",
    "platform",
    "action",
    "status",
    "fail_reason",
    "submit_time",
    "start_time",
    "finish_time",
    "progress",
    "data",
    "search_item",
];

fn members(task: &Value) -> Vec<&str> {
    let members = task.as_object().map(|members| members.keys().map(String::as_str).collect());
    members.unwrap_or_else(|| panic!("{task} is no object"))
}

/// The commands that the greeting shows, as they would be pasted into a shell.
fn shown_commands(greeting: &str) -> Vec<String> {
    let (_, shown) = greeting.split_once("try:").unwrap_or_else(|| panic!("nothing to try in {greeting}"));
    let commands = shown.split("\n\n").map(str::trim).filter(|command| command.starts_with("curl "));
    commands.map(str::to_owned).collect()
}

fn curl(command: &str) -> Value {
    // Quiet, and with a failure where the status is one.
    let command = command.replacen("curl ", "curl --silent --show-error --fail ", 1);
    let said = tool::run("sh", &["-c", &command]);
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

#[tokio::test]
async fn the_two_commands_that_the_greeting_shows_work_as_they_stand() {
    let gateway = Gateway::start(Options::embedded().making_its_first_key()).await;
    let greeting = tests::eventually("the greeting", async || {
        Some(gateway.stdout()).filter(|said| said.contains("TASK_ID"))
    })
    .await;
    let commands = shown_commands(&greeting);
    let [create, poll] = commands.as_slice() else { panic!("not two commands: {greeting}") };
    let created = curl(create);
    let id = created["task_id"].as_str().unwrap();
    assert_eq!(created, json!({ "task_id": id }));

    let poll = poll.replace("TASK_ID", id);
    let is_end = |task: &Value| task["status"] == "SUCCESS" || task["status"] == "FAILURE";
    let task = tests::eventually("the clip", async || Some(curl(&poll)).filter(is_end)).await;
    assert_eq!(task["status"], "SUCCESS", "{task}");
    assert_eq!(probe(&gateway.output(&task).await).codec, "h264");
}

#[tokio::test]
async fn a_poll_tells_every_field_at_each_of_the_four_statuses() {
    let sandbox = SandboxProcess::start().await;
    let mut config = config(&sandbox.url());
    config["accounts"][0]["concurrent_tasks"] = json!(1);
    let gateway = Gateway::with_config(config).await;

    let first = gateway.create("videos", &video("[sandbox:slow=5s]", model::KIE_VIDEO)).await;
    let started = gateway.until("videos", &first, |task| task["start_time"] != 0).await;
    assert_eq!(members(&started), MEMBERS);
    assert_eq!((&started["status"], &started["fail_reason"]), (&json!("IN_PROGRESS"), &json!("")));
    assert_eq!((&started["data"], &started["finish_time"]), (&Value::Null, &json!(0)));

    let second = gateway.create("videos", &video("[sandbox:fail]", model::KIE_VIDEO)).await;
    let waiting = gateway.poll("videos", &second).await;
    assert_eq!(members(&waiting), MEMBERS);
    assert_eq!((&waiting["status"], &waiting["progress"]), (&json!("NOT_START"), &json!("0%")));
    assert_eq!((&waiting["start_time"], &waiting["data"]), (&json!(0), &Value::Null));
    assert!(waiting["submit_time"].as_i64() >= started["submit_time"].as_i64());

    let success = gateway.ended("videos", &first).await;
    assert_eq!(members(&success), MEMBERS);
    assert_eq!((&success["task_id"], &success["status"]), (&json!(first), &json!("SUCCESS")));
    assert_eq!((&success["progress"], &success["fail_reason"]), (&json!("100%"), &json!("")));
    assert!(success["submit_time"].as_i64() <= success["start_time"].as_i64());
    assert!(success["start_time"].as_i64() <= success["finish_time"].as_i64());
    assert_eq!(success["data"]["outputs"], json!([success["data"]["output"]]));

    let failure = gateway.ended("videos", &second).await;
    let with_message: Vec<&str> = members(&failure).into_iter().filter(|name| *name != "message").collect();
    assert_eq!(with_message, MEMBERS);
    assert_eq!((&failure["status"], &failure["data"]), (&json!("FAILURE"), &Value::Null));
    assert_eq!(failure["fail_reason"], "the provider could not finish the generation");
    assert_eq!(failure["message"], failure["fail_reason"]);
}

#[tokio::test]
async fn a_clip_can_be_read_in_ranges_by_head_and_whole() {
    let gateway = Gateway::embedded().await;
    let task = gateway.succeeded("videos", &json!({ "prompt": "ranges", "model": "veo3" })).await;
    let url = task["data"]["output"].as_str().unwrap();
    assert!(url.starts_with(&format!("{}/assets/", gateway.url())), "{url}");
    let client = gateway.client().without_key();

    let whole = client.get(url).await;
    assert_eq!((whole.status, whole.header("content-type")), (StatusCode::OK, "video/mp4"));
    assert_eq!(whole.header("accept-ranges"), "bytes");
    let clip = probe(&whole.body);
    assert_eq!((clip.codec.as_str(), clip.width), ("h264", 480));
    assert!(clip.frames > 40, "{clip:?}");

    let head = client.call(filled(client.request(Method::HEAD, url), "")).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(head.header("content-length"), whole.body.len().to_string());

    let ranged = async |range: &str| {
        client.call(filled(client.request(Method::GET, url).header("range", range), "")).await
    };
    let part = ranged("bytes=4-11").await;
    assert_eq!((part.status, &part.body[..]), (StatusCode::PARTIAL_CONTENT, &whole.body[4..12]));
    assert_eq!(part.header("content-range"), format!("bytes 4-11/{}", whole.body.len()));
    let tail = ranged("bytes=-100").await;
    assert_eq!(tail.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(tail.body, whole.body.slice(whole.body.len() - 100..));
    assert_eq!(ranged("bytes=999999999-").await.status, StatusCode::RANGE_NOT_SATISFIABLE);
}

#[tokio::test]
async fn images_are_pictures_and_audio_is_sound() {
    let gateway = Gateway::embedded().await;
    let task = gateway.succeeded("images", &json!({ "prompt": "a picture", "aspect_ratio": "1:1" })).await;
    assert!(task["data"]["output"].as_str().unwrap().ends_with(".png"), "{task}");
    assert_eq!(probe(&gateway.output(&task).await).codec, "png");

    let task = gateway.succeeded("audio", &json!({ "prompt": "a tune" })).await;
    assert!(task["data"]["output"].as_str().unwrap().ends_with(".wav"), "{task}");
    assert_eq!(probe(&gateway.output(&task).await).codec, "pcm_s16le");
}

#[tokio::test]
async fn two_prompts_make_two_pictures() {
    let gateway = Gateway::embedded().await;
    let mut pictures = Vec::new();
    for prompt in ["a cat", "a dog"] {
        let task = gateway.succeeded("images", &image(prompt)).await;
        pictures.push(gateway.output(&task).await);
    }
    assert_ne!(pictures[0], pictures[1]);
}

#[tokio::test]
async fn the_example_of_the_contract_with_its_empty_fields_is_accepted() {
    let gateway = Gateway::embedded().await;
    let example = json!({
        "prompt": "Example prompt from provider documentation.",
        "model": "",
        "duration": 5,
        "aspect_ratio": "16:9",
        "size": "",
        "resolution": "780P",
        "images": [""],
        "videos": [""],
        "watermark": false,
    });
    gateway.succeeded("videos", &example).await;
}

#[tokio::test]
async fn every_spelling_means_the_same_and_unknown_fields_are_kept() {
    let sandbox = SandboxProcess::start().await;
    let gateway = Gateway::with_config(config(&sandbox.url())).await;
    let spellings = [
        (json!({ "prompt": "text", "duration": "10" }), json!({ "duration": 10 })),
        (json!({ "prompt": "float", "duration": 14.0 }), json!({ "duration": 14 })),
        (json!({ "prompt": "ratio", "ratio": "9:16" }), json!({ "aspect_ratio": "9:16", "ratio": "9:16" })),
        (json!({ "prompt": "case", "resolution": "1080P" }), json!({ "resolution": "1080p" })),
        (json!({ "prompt": "more", "camera": { "pan": [1] } }), json!({ "camera": { "pan": [1] } })),
        (
            json!({ "prompt": "seed", "seed": "7", "enhance_prompt": 1 }),
            json!({ "seed": 7, "enhance_prompt": true }),
        ),
    ];
    for (mut body, expected) in spellings {
        body["model"] = json!(model::V2_VIDEO);
        gateway.succeeded("videos", &body).await;
        let ledger = sandbox.ledger().await;
        let sent = ledger.body(body["prompt"].as_str().unwrap());
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&sent[name], value, "{name} of {body}, sent as {sent}");
        }
    }
}

#[tokio::test]
async fn an_image_in_base64_reaches_the_upstream_as_a_url_that_serves_it() {
    let sandbox = SandboxProcess::start().await;
    let gateway = Gateway::with_config(config(&sandbox.url())).await;
    let as_data_uri = format!("data:image/png;base64,{PIXEL_BASE64}");
    for (prompt, image) in [("data uri", as_data_uri.as_str()), ("bare", PIXEL_BASE64)] {
        let mut body = video(prompt, model::KIE_FRAMES);
        body["images"] = json!([image]);
        gateway.succeeded("videos", &body).await;
        let ledger = sandbox.ledger().await;
        let url = ledger.body(prompt)["imageUrls"][0].as_str().unwrap();
        assert!(url.starts_with(&format!("{}/assets/", gateway.url())), "{url}");
        let served = gateway.client().without_key().get(url).await;
        assert_eq!((served.status, served.header("content-type")), (StatusCode::OK, "image/png"));
        assert_eq!(served.body, pixel());
    }
}

#[tokio::test]
async fn the_list_of_models_needs_no_key_and_tells_scopes() {
    let gateway = Gateway::embedded().await;
    let reply = gateway.client().without_key().get("/v1/models").await;
    assert_eq!(reply.status, StatusCode::OK);
    let list = reply.json();
    assert_eq!(list["object"], "list");
    let scopes = |name: &str| {
        let entry = list["data"].as_array().unwrap().iter().find(|entry| entry["id"] == name);
        entry.unwrap_or_else(|| panic!("{name} is not in {list}"))["scopes"].clone()
    };
    assert_eq!(scopes("veo3.1-4k"), json!(["videos"]));
    assert_eq!(scopes("nano-banana"), json!(["images"]));
    assert_eq!(scopes("suno-v4"), json!(["audio"]));
}
