//! What config files are loaded with in tests: names that exist, and an environment that is data.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use config::{Environment, Known};
use domain::{ModelSpec, Scope};

/// Some of the real providers and models.
pub(crate) fn known() -> Known<'static> {
    static MODELS: LazyLock<Vec<ModelSpec>> = LazyLock::new(|| {
        let videos = ["veo3", "veo3-fast", "veo3.1", "veo3.1-fast", "veo3.1-pro"];
        let videos = videos.map(|name| ModelSpec::new(name, Scope::Videos));
        let others = [("nano-banana", Scope::Images), ("studio-audio", Scope::Audio)];
        let others = others.map(|(name, scope)| ModelSpec::new(name, scope));
        videos.into_iter().chain(others).collect()
    });
    static ALL: LazyLock<Vec<&ModelSpec>> = LazyLock::new(|| MODELS.iter().collect());
    Known { providers: &["kie", "v2"], dialects: &["v2"], models: &ALL, upstream_model }
}

/// One provider has names of its own for some models, the other takes every public name.
fn upstream_model(provider: &str, model: &str) -> Option<String> {
    match provider {
        "kie" if model.starts_with("veo") => {
            Some(if model.ends_with("-fast") { "veo3_fast" } else { "veo3" }.to_owned())
        }
        "kie" => None,
        _ => Some(model.to_owned()),
    }
}

/// Variables and files that exist; with `anything`, the others exist too.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) variables: HashMap<&'static str, &'static str>,
    pub(crate) anything: bool,
}

impl Environment for World {
    fn variable(&self, name: &str) -> Option<String> {
        let value = if name.ends_with("_DATABASE_URL") {
            "postgres://user:password@database.example.com/filmgate".to_owned()
        } else {
            format!("the-value-of-{name}-0123456789")
        };
        let made_up = || self.anything.then_some(value);
        self.variables.get(name).map(|value| (*value).to_owned()).or_else(made_up)
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        if self.anything {
            Ok(format!("the-text-of-{}", path.display()))
        } else {
            Err("no such file".to_owned())
        }
    }
}

/// All files below `folder` (from the package's directory) that end in `.yaml`, in order.
pub(crate) fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder of config files") {
            let path = entry.expect("an entry of that folder").path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(extension) if extension == "yaml" => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}
