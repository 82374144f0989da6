//! The requests of documents, sent to the running binary as they are written there, with what the documents say of the
//! replies. They are in `tests/seeds`, whose README tells the form; a step more is a file more.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

mod pattern;
mod replay;
mod step;

use std::path::{Path, PathBuf};

use replay::replay;
use serde_json::json;
use step::Step;
use tests::Gateway;

/// A test for each document, and a list of all.
macro_rules! documents {
    ($($name:ident),*) => {
        const DOCUMENTS: &[&str] = &[$(stringify!($name)),*];
        $(
            #[tokio::test]
            async fn $name() {
                document(stringify!($name)).await;
            }
        )*
    };
}

documents![apixo, evolink, kie, v2, v2_frames];

#[test]
fn every_document_is_replayed() {
    let folders = entries(&seeds()).into_iter().filter(|path| path.is_dir());
    let names: Vec<String> =
        folders.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(names, DOCUMENTS);
}

/// Sends the requests of a folder, in the order of their names.
async fn document(name: &str) {
    let steps: Vec<Step> = entries(&seeds().join(name)).iter().map(|file| Step::read(file)).collect();
    // Some documents' own examples name listeners without TLS.
    let config = json!({ "sandbox": { "embed": true }, "callbacks": { "allow_http": true } });
    replay(&Gateway::with_config(config).await, &steps).await;
}

fn seeds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds")
}

/// What is in a folder, by name.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
