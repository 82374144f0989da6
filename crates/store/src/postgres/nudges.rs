//! Tells other gateways what has changed, and hears it from them. Nothing rests on it: whoever waits looks by itself, too.
//!
//! One connection of its own does both. What changes within a short while is told at once.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::TaskId;
use tokio::sync::{Notify, broadcast};
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Client};

use super::connect::{self, Connecting};
use super::failure::Failure;
use super::settings::PostgresSettings;
use crate::{Nudge, StoreError};

const CHANNEL: &str = "filmgate";
/// From one notice to the next.
const GAP: Duration = Duration::from_millis(20);
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);
/// Of a notice; the server takes less than 8000.
const NOTICE_BYTES_MAX: usize = 7000;
/// Tasks that are remembered until they can be told; of more than these nobody is told.
const CHANGED_MAX: usize = 10_000;
/// Nudges that a slow listener may fall behind.
const HEARD_MAX: usize = 1024;
/// Stands for [`Nudge::Due`]; no id of a task is empty.
const DUE: &str = "";

/// Where what has changed is said.
#[derive(Debug, Clone, Default)]
pub(super) struct Nudging(Arc<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    news: Mutex<BTreeSet<String>>,
    is_there: Notify,
}

impl Nudging {
    /// A task may be due that nobody holds. To be said after the commit.
    pub(super) fn due(&self) {
        self.tell(DUE);
    }

    /// The task has another version. To be said after the commit.
    pub(super) fn changed(&self, task: &TaskId) {
        self.tell(task.as_str());
    }

    fn tell(&self, news: &str) {
        let mut waiting = self.0.news.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < CHANGED_MAX && waiting.insert(news.to_owned()) {
            self.0.is_there.notify_one();
        }
    }

    fn take(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.0.news.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is heard from other gateways. Dropped, it hears and tells no more.
#[derive(Debug)]
pub(super) struct Nudges {
    heard: broadcast::Sender<Nudge>,
    task: JoinHandle<()>,
}

impl Nudges {
    pub(super) fn start(settings: PostgresSettings, nudging: Nudging) -> Self {
        let (heard, _) = broadcast::channel(HEARD_MAX);
        let task = tokio::spawn(serve(settings, nudging, heard.clone()));
        Self { heard, task }
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Nudge> {
        self.heard.subscribe()
    }
}

impl Drop for Nudges {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(settings: PostgresSettings, nudging: Nudging, heard: broadcast::Sender<Nudge>) {
    let mut is_told = false;
    loop {
        let Err(reason) = exchange(&settings, &nudging, &heard).await;
        if !std::mem::replace(&mut is_told, true) {
            tracing::warn!(
                reason,
                "gateways do not hear of each other's changes for now; they look by themselves"
            );
        }
        nudging.take();
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}

/// Tells and hears until the connection fails; why it did.
async fn exchange(
    settings: &PostgresSettings,
    nudging: &Nudging,
    heard: &broadcast::Sender<Nudge>,
) -> Result<std::convert::Infallible, String> {
    let in_words = |error: StoreError| error.to_string();
    let Connecting { config, tls } = connect::plan(settings).map_err(in_words)?;
    let connecting = tokio::time::timeout(settings.connect_timeout, config.connect(tls));
    let (client, mut connection) =
        connecting.await.map_err(|_| "no answer".to_owned())?.map_err(|e| Failure::from(e).to_string())?;
    let own = AtomicI32::new(0);
    let hear = async {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            let message = message.map_err(|error| Failure::from(error).to_string())?;
            if let AsyncMessage::Notification(notice) = message
                && notice.process_id() != own.load(Ordering::Relaxed)
            {
                spread(notice.payload(), heard);
            }
        }
        Err("the connection was closed".to_owned())
    };
    tokio::select! {
        ended = hear => ended,
        failed = tell(&client, (nudging, &own), settings.statement_timeout) => failed,
    }
}

/// What a notice says.
fn spread(notice: &str, heard: &broadcast::Sender<Nudge>) {
    for news in notice.split(',') {
        let nudge = if news == DUE { Nudge::Due } else { Nudge::Changed(TaskId::new(news)) };
        let _nobody_listens = heard.send(nudge);
    }
}

async fn tell(
    client: &Client,
    (nudging, own): (&Nudging, &AtomicI32),
    timeout: Duration,
) -> Result<std::convert::Infallible, String> {
    let in_time = async |work: &str| match tokio::time::timeout(timeout, client.batch_execute(work)).await {
        Ok(done) => done.map_err(|error| Failure::from(error).to_string()),
        Err(_) => Err("no answer".to_owned()),
    };
    // One's own notices come back; the server says which session a notice is from.
    let row =
        client.query_one("SELECT pg_backend_pid()", &[]).await.map_err(|e| Failure::from(e).to_string())?;
    own.store(row.try_get(0).map_err(|error| Failure::from(error).to_string())?, Ordering::Relaxed);
    connect::end_without_us(client).await;
    in_time(&format!("LISTEN {CHANNEL}")).await?;
    loop {
        nudging.0.is_there.notified().await;
        for notice in notices(nudging.take()) {
            // Ids are ours, but a quotation mark must not end the text all the same.
            in_time(&format!("NOTIFY {CHANNEL}, '{}'", notice.replace('\'', ""))).await?;
        }
        tokio::time::sleep(GAP).await;
    }
}

/// As few as they fit into.
fn notices(news: BTreeSet<String>) -> Vec<String> {
    let mut notices: Vec<String> = Vec::new();
    for item in news {
        match notices.last_mut() {
            Some(last) if last.len() + 1 + item.len() <= NOTICE_BYTES_MAX => {
                last.push(',');
                last.push_str(&item);
            }
            _ => notices.push(item),
        }
    }
    notices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_together_is_told_together() {
        let nudging = Nudging::default();
        nudging.due();
        nudging.due();
        nudging.changed(&TaskId::new("a"));
        let (heard, mut listener) = broadcast::channel(8);
        let notices = notices(nudging.take());
        assert_eq!(notices.len(), 1);
        spread(&notices[0], &heard);
        assert_eq!(listener.try_recv().ok(), Some(Nudge::Due));
        assert_eq!(listener.try_recv().ok(), Some(Nudge::Changed(TaskId::new("a"))));
        assert!(listener.try_recv().is_err());
    }

    #[test]
    fn a_notice_is_not_longer_than_the_server_takes() {
        let ids: BTreeSet<String> = (0..1000).map(|n| format!("task-{n:032}")).collect();
        let notices = notices(ids.clone());
        assert!(notices.len() > 1 && notices.iter().all(|notice| notice.len() <= NOTICE_BYTES_MAX));
        let told: BTreeSet<String> =
            notices.iter().flat_map(|notice| notice.split(',')).map(str::to_owned).collect();
        assert_eq!(told, ids);
    }
}
