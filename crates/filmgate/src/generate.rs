//! `filmgate generate`: a client like any other, over HTTP.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use config::{ClientKey, Config};
use domain::{Access, Call, ClientLimits, Credential, DailyLimits, OwnerId, Reply, media_type_of_bytes};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tasks::{Keyring, NewKey, generate_key};
use upstream::{Bounds, Fetch, Settings, Upstream};

use crate::cli::GenerateOptions;
use crate::wiring::Running;
use crate::{keys, serve, source};

/// For one call to the gateway.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// For saving one result.
const SAVE: Bounds = Bounds { bytes_max: 16 << 30, timeout: Duration::from_secs(3600) };
/// Between two polls.
const POLL_EVERY: Duration = Duration::from_millis(500);
/// What the key of this command is called where a name is needed.
const KEY_NAME: &str = "generate";
/// Polls in a row that may fail before giving up.
const FAILURES_MAX: u32 = 20;

pub(crate) async fn run(options: GenerateOptions) -> anyhow::Result<ExitCode> {
    let gateway = Gateway::find(&options).await?;
    let saved = gateway.generate(&options).await;
    gateway.close().await;
    for path in saved? {
        println!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// A gateway and a key for it.
struct Gateway {
    upstream: Upstream,
    url: String,
    key: String,
    /// A gateway that runs just for this command.
    running: Option<Running>,
    /// A key made just for this command.
    lent: Option<(Keyring, OwnerId)>,
}

impl Gateway {
    /// The gateway at `--url`; else the one that serves the data directory; else one that runs just for this command.
    async fn find(options: &GenerateOptions) -> anyhow::Result<Self> {
        let upstream = Upstream::new(Settings {
            connect_timeout: Duration::from_secs(10),
            reply_bytes_max: 16 << 20,
            idle_per_host_max: 1,
            allow: Vec::new(),
        });
        if let Some(url) = &options.url {
            let key = options.key.clone().context("--url needs --key or FILMGATE_KEY")?;
            let url = url.trim_end_matches('/').to_owned();
            return Ok(Self { upstream, url, key, running: None, lent: None });
        }
        let config = source::data_config(&options.data)?;
        if is_served(&upstream, &config).await? {
            return Self::beside(upstream, &config, options.key.clone()).await;
        }
        Self::alone(upstream, config, options.key.clone()).await
    }

    /// The gateway that serves the data directory, with a key of its store that is revoked at the end.
    async fn beside(upstream: Upstream, config: &Config, key: Option<String>) -> anyhow::Result<Self> {
        let url = serve::served_url(config)?;
        if let Some(key) = key {
            return Ok(Self { upstream, url, key, running: None, lent: None });
        }
        let keyring = keys::keyring(config).await?;
        let new = NewKey { name: KEY_NAME.to_owned(), ..NewKey::default() };
        let (key, record) = keyring.create(new).await?;
        Ok(Self { upstream, url, key, running: None, lent: Some((keyring, record.owner)) })
    }

    /// A gateway on free ports. Its key is not stored, so that the first start of a server still makes one.
    async fn alone(upstream: Upstream, mut config: Config, key: Option<String>) -> anyhow::Result<Self> {
        telemetry::log(telemetry::Format::Text, "warn", None)?;
        config.server.listen.set_port(0);
        config.server.admin_listen.set_port(0);
        let key = match key {
            Some(key) => key,
            None => generate_key().map_err(anyhow::Error::msg)?,
        };
        config.keys.push(ClientKey {
            name: KEY_NAME.to_owned(),
            secret: Credential::new(key.clone()),
            limits: ClientLimits { budget: None, daily: DailyLimits::default(), ..config.limits.of_key() },
            access: Access::default(),
            dialect: None,
        });
        let running = Box::pin(Running::start(&config, None)).await?;
        let url = running.url.clone();
        Ok(Self { upstream, url, key, running: Some(running), lent: None })
    }

    async fn close(self) {
        if let Some((keyring, owner)) = self.lent
            && let Err(error) = keyring.revoke(&owner).await
        {
            eprintln!("filmgate: the key {owner} of this command could not be revoked: {error}");
        }
        if let Some(running) = self.running {
            running.stop().await;
        }
    }

    async fn generate(&self, options: &GenerateOptions) -> anyhow::Result<Vec<PathBuf>> {
        let path = format!("/v2/{}/generations", options.scope);
        let call = Call::post_json(path.clone(), serde_json::to_vec(&body(options)?)?);
        let reply = self.upstream.submit(&self.url, call.with_bearer(&self.key), CALL_TIMEOUT).await?;
        let created = read(&reply)?;
        let id = created["task_id"].as_str().context("the gateway gave no task_id")?;
        let urls = self.wait(&format!("{path}/{id}")).await?;
        self.save(&urls, options.out.as_deref(), id).await
    }

    /// Polls until the task has ended; the URLs of its results.
    async fn wait(&self, path: &str) -> anyhow::Result<Vec<String>> {
        let bar = ProgressBar::new(100)
            .with_style(ProgressStyle::with_template("{bar:40} {percent:>3}% {msg} {elapsed}")?);
        let mut failures = 0;
        loop {
            let call = Call::get(path).with_bearer(&self.key);
            match self
                .upstream
                .ask(&self.url, call, CALL_TIMEOUT)
                .await
                .map_err(anyhow::Error::from)
                .and_then(|r| read(&r))
            {
                Ok(task) => {
                    failures = 0;
                    let percent = task["progress"].as_str().unwrap_or_default().trim_end_matches('%');
                    bar.set_position(percent.parse().unwrap_or(0));
                    bar.set_message(task["status"].as_str().unwrap_or_default().to_owned());
                    match task["status"].as_str() {
                        Some("SUCCESS") => {
                            bar.finish_and_clear();
                            return results(&task);
                        }
                        Some("FAILURE") => {
                            bail!("the generation failed: {}", task["fail_reason"].as_str().unwrap_or(""))
                        }
                        _ => {}
                    }
                }
                Err(error) if failures == FAILURES_MAX => return Err(error),
                Err(_passing) => failures += 1,
            }
            tokio::time::sleep(POLL_EVERY).await;
        }
    }

    async fn save(&self, urls: &[String], out: Option<&Path>, id: &str) -> anyhow::Result<Vec<PathBuf>> {
        let mut saved = Vec::new();
        for (index, url) in urls.iter().enumerate() {
            let path = numbered(out, url, id, index);
            let mut file =
                tokio::fs::File::create(&path).await.with_context(|| format!("making {}", path.display()))?;
            // The gateway's own answer named this URL, so it is as trusted as the gateway.
            let fetch = Fetch { url, account_url: url, credentials: Default::default(), bounds: SAVE };
            self.upstream.download(&fetch, &mut file).await?;
            file.sync_all().await?;
            saved.push(path);
        }
        Ok(saved)
    }
}

/// Whether a server runs here on the store of that config. The embedded store knows; otherwise the one that has left its
/// address in the data directory answers there, or does not run any more.
async fn is_served(upstream: &Upstream, config: &Config) -> anyhow::Result<bool> {
    if config.store.postgres.is_none() {
        return Ok(store::SqliteStore::is_served(source::store_path(config))?);
    }
    let Ok(url) = serve::served_url(config) else { return Ok(false) };
    Ok(upstream.ask(&url, Call::get("/"), CALL_TIMEOUT).await.is_ok())
}

fn body(options: &GenerateOptions) -> anyhow::Result<Value> {
    let images: anyhow::Result<Vec<String>> = options.images.iter().map(|image| image_text(image)).collect();
    let mut body = json!({ "prompt": options.prompt, "images": images? });
    if let Some(model) = &options.model {
        body["model"] = json!(model);
    }
    if let Some(aspect_ratio) = &options.aspect_ratio {
        body["aspect_ratio"] = json!(aspect_ratio);
    }
    Ok(body)
}

/// A URL as it is; a file as a data URI.
fn image_text(image: &str) -> anyhow::Result<String> {
    if image.starts_with("http://") || image.starts_with("https://") || image.starts_with("data:") {
        return Ok(image.to_owned());
    }
    let bytes = std::fs::read(image).with_context(|| format!("reading {image}"))?;
    let media_type =
        media_type_of_bytes(&bytes).with_context(|| format!("{image} is no image that can be told"))?;
    Ok(format!("data:{media_type};base64,{}", STANDARD.encode(bytes)))
}

fn read(reply: &Reply) -> anyhow::Result<Value> {
    let body: Value = serde_json::from_slice(&reply.body)
        .with_context(|| format!("the gateway answered {} without JSON", reply.status))?;
    if reply.status.is_success() {
        return Ok(body);
    }
    Err(anyhow!("the gateway answered {}: {}", reply.status, body["message"].as_str().unwrap_or_default()))
}

fn results(task: &Value) -> anyhow::Result<Vec<String>> {
    let outputs = task["data"]["outputs"].as_array().into_iter().flatten();
    let urls: Vec<String> = outputs.filter_map(|url| url.as_str().map(str::to_owned)).collect();
    anyhow::ensure!(!urls.is_empty(), "the gateway named no result");
    Ok(urls)
}

/// The path for the result at `index`: `out`, or the task's id with the URL's extension; from the second on, numbered.
fn numbered(out: Option<&Path>, url: &str, id: &str, index: usize) -> PathBuf {
    let extension = url.rsplit(['.', '/']).next().unwrap_or("bin");
    let first = out.map_or_else(|| PathBuf::from(format!("{id}.{extension}")), Path::to_path_buf);
    if index == 0 {
        return first;
    }
    let stem = first.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let extension = first.extension().map_or(extension.into(), |extension| extension.to_string_lossy());
    first.with_file_name(format!("{stem}-{}.{extension}", index + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_numbered_from_the_second_on() {
        let url = "http://h/assets/ab.mp4";
        assert_eq!(numbered(None, url, "id", 0), Path::new("id.mp4"));
        assert_eq!(numbered(None, url, "id", 1), Path::new("id-2.mp4"));
        assert_eq!(numbered(Some(Path::new("a/cat.mp4")), url, "id", 0), Path::new("a/cat.mp4"));
        assert_eq!(numbered(Some(Path::new("a/cat.mp4")), url, "id", 2), Path::new("a/cat-3.mp4"));
    }
}
