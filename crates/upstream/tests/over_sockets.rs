//! What the way out says of misbehaving servers, over real sockets on loopback.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::{AssetId, Call, MediaForm, MediaSlot};
use http::{HeaderMap, HeaderValue, header};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use upstream::{Bounds, DownloadError, Fetch, MediaFile, Outgoing, SendError, Settings, Upstream};

const LONG: Duration = Duration::from_secs(20);
const BOUNDS: Bounds = Bounds { bytes_max: 1000, timeout: LONG };

fn settings() -> Settings {
    Settings { connect_timeout: LONG, reply_bytes_max: 1000, idle_per_host_max: 4, allow: vec![] }
}

fn way_out() -> Upstream {
    Upstream::new(settings())
}

fn secret() -> HeaderMap {
    HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static("Bearer secret"))])
}

/// A server that reads each request's head, counts it, writes `answer` as it stands, and closes; `None` never answers.
async fn server(answer: Option<String>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&seen);
    tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Ok((mut stream, _peer)) = listener.accept().await {
            read_head(&mut stream).await;
            counter.fetch_add(1, Ordering::SeqCst);
            match &answer {
                Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                None => silent.push(stream),
            }
        }
    });
    (address, seen)
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => head.extend_from_slice(&buffer[..read]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

fn ok(body: &str) -> Option<String> {
    Some(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

async fn submit(address: SocketAddr, timeout: Duration) -> Result<domain::Reply, SendError> {
    let call = Call::post_json("/submit", b"{}".to_vec()).with_query("a=b%20c");
    way_out().submit(&format!("http://{address}/"), call, timeout).await
}

async fn download(account: &str, url: &str) -> (Result<upstream::Downloaded, DownloadError>, Vec<u8>) {
    let mut copy = Vec::new();
    let result = {
        let fetch = Fetch { url, account_url: account, credentials: secret(), bounds: BOUNDS };
        way_out().download(&fetch, &mut copy).await
    };
    (result, copy)
}

#[tokio::test]
async fn a_reply_comes_back_whole() {
    let (address, seen) = server(ok("{\"task_id\":\"x\"}")).await;
    let reply = submit(address, LONG).await.unwrap();
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, &b"{\"task_id\":\"x\"}"[..]));
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_refused_connection_was_surely_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert!(matches!(submit(address, LONG).await, Err(SendError::NotSent(_))));
}

#[tokio::test]
async fn a_failed_tls_handshake_was_surely_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _peer) = listener.accept().await.unwrap();
        stream.write_all(b"220 this is not TLS\r\n").await.unwrap();
    });
    let call = Call::post_json("/submit", b"{}".to_vec());
    let result = way_out().submit(&format!("https://{address}"), call, LONG).await;
    assert!(matches!(result, Err(SendError::NotSent(_))), "{result:?}");
}

#[tokio::test]
async fn whatever_happens_after_sending_is_in_doubt_and_never_sent_again() {
    let cases = [
        ("closed without an answer", Some(String::new())),
        ("broken off in the head", Some("HTTP/1.1 200 OK\r\ncontent-le".to_owned())),
        ("broken off in the body", Some("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf".to_owned())),
        ("not HTTP", Some("220 smtp ready\r\n\r\n".to_owned())),
        ("too large", ok(&"x".repeat(1001))),
    ];
    for (case, answer) in cases {
        let (address, seen) = server(answer).await;
        let result = submit(address, LONG).await;
        assert!(matches!(result, Err(SendError::Unanswered(_))), "{case}: {result:?}");
        assert_eq!(seen.load(Ordering::SeqCst), 1, "{case}");
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_left_at_the_timeout() {
    let (address, seen) = server(None).await;
    let result = submit(address, Duration::from_millis(300)).await;
    assert!(matches!(result, Err(SendError::Unanswered(_))), "{result:?}");
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_account_s_own_host_may_be_anywhere_and_no_other_host_may_be_inside() {
    let (address, seen) = server(ok("clip")).await;
    let url = format!("http://{address}/clip.mp4");
    let (result, copy) = download(&format!("http://{address}/api"), &url).await;
    assert_eq!((result.unwrap().bytes, &copy[..]), (4, &b"clip"[..]));

    for account in ["https://api.example.com", "http://127.0.0.1:1", "not a url"] {
        let (result, copy) = download(account, &url).await;
        assert!(matches!(result, Err(DownloadError::Url(_))), "{account}: {result:?}");
        assert!(copy.is_empty());
    }
    let port = address.port();
    for host in ["localhost", "2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0"] {
        let (result, _copy) = download("https://api.example.com", &format!("http://{host}:{port}/")).await;
        assert!(result.is_err(), "{host}");
    }
    assert_eq!(seen.load(Ordering::SeqCst), 1, "the guard dials nobody");
}

#[tokio::test]
async fn a_redirect_is_followed_only_as_far_as_the_guard_allows() {
    let (inside, seen) = server(ok("secret")).await;
    let redirect = format!("HTTP/1.1 302 Found\r\nlocation: http://{inside}/\r\ncontent-length: 0\r\n\r\n");
    let (address, _seen) = server(Some(redirect)).await;
    let account = format!("http://{address}");
    let (result, copy) = download(&account, &format!("{account}/clip")).await;
    assert!(matches!(result, Err(DownloadError::Url(_))), "{result:?}");
    assert!(copy.is_empty());
    assert_eq!(seen.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_loop_of_redirects_ends() {
    let (address, seen) =
        server(Some("HTTP/1.1 302 Found\r\nlocation: /again\r\ncontent-length: 0\r\n\r\n".to_owned())).await;
    let account = format!("http://{address}");
    assert!(download(&account, &format!("{account}/again")).await.0.is_err());
    assert_eq!(seen.load(Ordering::SeqCst), 6);
}

#[tokio::test]
async fn only_web_urls_are_fetched_and_only_up_to_the_bound() {
    for url in ["file:///etc/passwd", "gopher://127.0.0.1/", "javascript:alert(1)", "", "//host/x"] {
        let (result, _copy) = download("http://127.0.0.1:1", url).await;
        assert!(matches!(result, Err(DownloadError::Url(_))), "{url}");
    }
    let (address, _seen) = server(ok(&"x".repeat(1001))).await;
    let account = format!("http://{address}");
    let (result, copy) = download(&account, &account).await;
    assert!(matches!(result, Err(DownloadError::TooLarge(1000))));
    assert!(copy.len() <= 1000);
}

/// A server that notes the heads of requests and answers each with `answer`.
async fn noting_server(answer: String) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((mut stream, _peer)) = listener.accept().await {
            let head = read_head(&mut stream).await;
            noted.lock().unwrap().push(head.to_ascii_lowercase());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (address, heads)
}

#[tokio::test]
async fn a_credential_is_shown_to_the_account_s_own_host_only() {
    let (elsewhere, strangers) = noting_server(ok("clip").unwrap()).await;
    let redirect =
        format!("HTTP/1.1 302 Found\r\nlocation: http://{elsewhere}/\r\ncontent-length: 0\r\n\r\n");
    let (own, heads) = noting_server(redirect).await;
    let account_url = format!("http://{own}/v1");
    let url = format!("http://{own}/file");
    let fetch = Fetch { url: &url, account_url: &account_url, credentials: secret(), bounds: BOUNDS };
    let allow = vec!["127.0.0.1".parse().unwrap()];
    let way_out = Upstream::new(Settings { allow, ..settings() });
    let mut copy = Vec::new();
    way_out.download(&fetch, &mut copy).await.unwrap();
    assert_eq!(copy, b"clip", "an address that the operator allows may be dialled");
    assert!(heads.lock().unwrap()[0].contains("bearer secret"));
    assert!(!strangers.lock().unwrap()[0].contains("secret"));
}

#[tokio::test]
async fn media_arrives_inside_of_a_call() {
    let (address, heads) = noting_server(ok("{}").unwrap()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("asset");
    std::fs::write(&path, b"abc").unwrap();
    let mut call = Call::post_json("/submit", b"\"\"".to_vec());
    call.media = vec![MediaSlot { at: 1, asset: AssetId::new("a"), form: MediaForm::Base64 }];
    let files = vec![MediaFile { path, bytes: 3 }];
    let url = format!("http://{address}");
    way_out().submit(&url, Outgoing { call: call.clone(), files }, LONG).await.unwrap();
    assert!(heads.lock().unwrap()[0].contains("content-length: 6"), "the length is known before");
    let missing = vec![MediaFile { path: folder.path().join("no such"), bytes: 3 }];
    let result = way_out().submit(&url, Outgoing { call, files: missing }, LONG).await;
    assert!(matches!(result, Err(SendError::NotSent(_))), "{result:?}");
    assert_eq!(heads.lock().unwrap().len(), 1);
}
