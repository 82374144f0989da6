//! Replies that wait for their task.

use std::sync::Arc;
use std::time::Duration;

use domain::{Reply, Task};
use http::{HeaderName, HeaderValue};
use translation::Links;

use super::{Answering, Handlers, now};
use crate::layers::deadline::Countdown;
use crate::room::Room;

/// Says how long the reply would have waited (RFC 7240, section 3).
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The bounds of waits.
#[derive(Clone)]
pub(crate) struct WaitBounds {
    /// Requests that wait at one time.
    pub(crate) room: Room,
    /// None waits for longer.
    pub(crate) timeout: Duration,
}

/// A task that was waited for.
pub(super) struct Waited {
    /// As it was seen last.
    pub(super) task: Arc<Task>,
    /// For the reply about it.
    pub(super) links: Links,
    /// How long it was waited for at most; absent if there was no room to wait.
    at_most: Option<Duration>,
}

impl Waited {
    /// The reply with what it says of the wait.
    pub(super) fn noted(&self, mut reply: Reply) -> Reply {
        let applied = self.at_most.map(|at_most| format!("wait={}", at_most.as_secs()));
        if let Some(Ok(applied)) = applied.map(HeaderValue::try_from) {
            reply.headers.insert(PREFERENCE_APPLIED, applied);
        }
        reply
    }
}

impl Handlers {
    /// The task when it has ended, or as it stands after `at_most`. The time is the client's own choice, and counted neither
    /// as ours nor among the requests in flight. Where nothing can be learned, the task as it was: it has been accepted, so
    /// its client must not be told otherwise.
    pub(super) async fn wait(&self, answering: &Answering<'_>, task: Arc<Task>, at_most: Duration) -> Waited {
        let at_most = at_most.min(self.waits.timeout);
        let waiting = self.waits.room.enter();
        let waited = match (&waiting, answering.client()) {
            (Some(_place), Ok(client)) if !task.state.is_terminal() => {
                let _clock_stands_still = answering.context.countdown().map(Countdown::pause);
                answering.context.leave_flight();
                self.tasks.wait(client, &task.id, at_most).await
            }
            _ => Ok(Arc::clone(&task)),
        };
        let task = waited.unwrap_or_else(|failure| {
            tracing::warn!(task_id = %task.id, %failure, "a task that is waited for could not be read");
            task
        });
        let links = Links { now: now(), ..answering.links.clone() };
        Waited { task, links, at_most: waiting.map(|_place| at_most) }
    }

    /// The same for one who can come back: a gateway that is about to stop does not let it wait.
    pub(super) async fn wait_while_open(
        &self,
        answering: &Answering<'_>,
        task: Arc<Task>,
        at_most: Duration,
    ) -> Waited {
        tokio::select! {
            biased;
            waited = self.wait(answering, Arc::clone(&task), at_most) => waited,
            () = self.draining.begun() => self.wait(answering, task, Duration::ZERO).await,
        }
    }
}
