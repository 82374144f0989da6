//! That the media is real: another program reads it.

use std::path::Path;
use std::process::Command;

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::client::House;

/// What ffprobe says of a file, with every frame decoded and counted.
fn probe(file: &Path) -> Value {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json"]).arg(file);
    let output = command.output().expect("these tests need ffprobe (Debian: apt-get install ffmpeg)");
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The media of a finished order, probed: its first stream, and its length in seconds if it has one.
async fn made(house: &House, scope: &str, order: &Value) -> (Value, Option<f64>) {
    let finished = house.finished_v2(scope, order).await;
    let media = house.get(finished["data"]["output"].as_str().unwrap()).await;
    let file = house.folder.path().join("probed");
    std::fs::write(&file, &media.body).unwrap();
    let probed = probe(&file);
    let length_s = probed["format"]["duration"].as_str().map(|seconds| seconds.parse().unwrap());
    (probed["streams"][0].clone(), length_s)
}

#[tokio::test]
async fn a_clip_is_h264_of_three_seconds() {
    let house = House::with_faults("").await;
    for (ratio, width, height) in [("16:9", 480, 272), ("9:16", 272, 480)] {
        let order =
            json!({ "model": "m", "prompt": "A cat surfing in sunset, cinematic", "aspect_ratio": ratio });
        let (stream, length_s) = made(&house, "videos", &order).await;
        assert_eq!((&stream["codec_name"], &stream["pix_fmt"]), (&json!("h264"), &json!("yuv420p")));
        assert_eq!((&stream["width"], &stream["height"]), (&json!(width), &json!(height)));
        assert_eq!(stream["nb_read_frames"], "48", "all frames can be decoded");
        assert!((length_s.unwrap() - 3.0).abs() < 0.1, "{length_s:?}");
    }
}

#[tokio::test]
async fn an_image_is_a_png_of_the_size() {
    let house = House::with_faults("").await;
    let order = json!({ "model": "m", "prompt": "a cat", "size": "320x200" });
    let (stream, _) = made(&house, "images", &order).await;
    assert_eq!((&stream["codec_name"], &stream["pix_fmt"]), (&json!("png"), &json!("rgb24")));
    assert_eq!((&stream["width"], &stream["height"]), (&json!(320), &json!(200)));
    assert_eq!(stream["nb_read_frames"], "1");
}

#[tokio::test]
async fn a_tune_is_a_wav_of_three_seconds() {
    let house = House::with_faults("").await;
    let (stream, length_s) = made(&house, "audio", &json!({ "model": "m", "prompt": "a cat" })).await;
    assert_eq!((&stream["codec_name"], &stream["channels"]), (&json!("pcm_s16le"), &json!(1)));
    assert_eq!(length_s, Some(3.0));
}

#[tokio::test]
async fn the_index_of_a_clip_is_in_front() {
    let house = House::with_faults("").await;
    let finished = house.finished_v2("videos", &json!({ "model": "m", "prompt": "a cat" })).await;
    let clip = house.get(finished["data"]["output"].as_str().unwrap()).await.body;
    let place_of = |name: &[u8]| clip.windows(4).position(|window| window == name).unwrap();
    assert!(place_of(b"moov") < place_of(b"mdat"));
}

#[tokio::test]
async fn media_is_served_whole_and_in_part_and_not_before_its_time() {
    let house = House::with_faults("").await;
    let order = json!({ "model": "m", "prompt": "a cat" });
    let finished = house.finished_v2("audio", &order).await;
    let url = finished["data"]["output"].as_str().unwrap();
    let whole = house.get(url).await;
    assert_eq!(whole.headers[header::ACCEPT_RANGES], "bytes");

    let mut request = house.request(Method::GET, url, "");
    request.headers_mut().insert(header::RANGE, "bytes=4-7".parse().unwrap());
    let part = house.call(request).await.unwrap();
    assert_eq!((part.status, &part.body[..]), (StatusCode::PARTIAL_CONTENT, &whole.body[4..8]));
    assert_eq!(part.headers[header::CONTENT_RANGE], format!("bytes 4-7/{}", whole.body.len()));

    let mut request = house.request(Method::GET, url, "");
    request.headers_mut().insert(header::RANGE, "bytes=99999999-".parse().unwrap());
    assert_eq!(house.call(request).await.unwrap().status, StatusCode::RANGE_NOT_SATISFIABLE);

    let head = house.call(house.request(Method::HEAD, url, "")).await.unwrap();
    assert_eq!(head.headers[header::CONTENT_LENGTH], whole.body.len().to_string());

    assert_eq!(house.get(&url.replace(".wav", ".mp4")).await.status, StatusCode::NOT_FOUND);
    let slow = json!({ "model": "m", "prompt": "a cat [sandbox:slow=3600s]" });
    let submitted = house.post("/v2/audio/generations", &slow).await.json();
    let early = format!("/media/{}.wav", submitted["task_id"].as_str().unwrap());
    assert_eq!(house.get(&early).await.status, StatusCode::NOT_FOUND);
}
