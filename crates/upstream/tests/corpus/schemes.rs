//! S9: schemes.

use crate::judge::{Row, allowed, refused};

const REFUSED: &[&str] = &[
    "http://example.com/",
    "HTTP://example.com/",
    "http://127.0.0.1/",
    "ftp://example.com/",
    "ftps://example.com/",
    "sftp://example.com/",
    "tftp://example.com/",
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "FILE:///etc/passwd",
    "gopher://127.0.0.1:6379/_INFO",
    "GOPHER://127.0.0.1/",
    "dict://127.0.0.1:11211/stats",
    "ldap://127.0.0.1/",
    "ldaps://example.com/",
    "data:text/plain,x",
    "javascript:alert(1)",
    "ws://example.com/",
    "wss://example.com/",
    "jar:https://example.com/x.jar!/",
    "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/info",
    "netdoc:///etc/passwd",
    "smb://example.com/",
    "mailto:a@example.com",
    "blob:https://example.com/1",
    "view-source:https://example.com/",
    "url:https://example.com/",
    "httpss://example.com/",
    "https+x://example.com/",
    "xhttps://example.com/",
    "https.://example.com/",
    "about:blank",
    "://example.com/",
];

pub(crate) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = REFUSED.iter().map(|url| refused(*url, "another scheme")).collect();
    rows.extend(
        ["https://example.com/", "HTTPS://example.com/", "hTtPs://example.com/"]
            .map(|url| allowed(url, "HTTPS")),
    );
    rows
}
