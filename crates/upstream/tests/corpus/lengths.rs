//! S10: at most 2048 characters as it came, and as many bytes as it is used.

use crate::judge::{Row, allowed, refused};

const BASE: &str = "https://example.com/";

pub(crate) fn rows() -> Vec<Row> {
    let left = 2048 - BASE.len();
    let url = |character: &str, times: usize| format!("{BASE}{}", character.repeat(times));
    vec![
        allowed(url("a", left - 1), "one less"),
        allowed(url("a", left), "just as many"),
        allowed(format!("{BASE}?{}", "a".repeat(left - 1)), "just as many, in the query"),
        allowed(url("é", left / 6), "two-byte characters, six bytes each when encoded"),
        allowed(url("🎬", left / 12), "four-byte characters, twelve bytes each when encoded"),
        refused(url("a", left + 1), "one more"),
        refused(format!("{BASE}#{}", "a".repeat(left)), "one more, although the fragment is dropped"),
        refused(url("é", left / 6 + 1), "grows by encoding"),
        refused(url("🎬", left / 12 + 1), "grows by encoding"),
        refused(url("\"", left / 3 + 1), "grows by encoding"),
        refused(url("é", left), "grows sixfold"),
        refused(url("a", 8192), "8 KiB"),
        refused(url("a", 1 << 20), "1 MiB"),
        refused(format!("https://{}.com/", "a.".repeat(600_000)), "1 MiB of host"),
    ]
}
