//! Streams of events that tell how a task stands: now, after each change, and at its end, which is the end of the stream.

use std::time::Duration;

use bytes::Bytes;
use domain::{Failure, FailureKind, Scope, TaskId};
use http::StatusCode;
use tasks::Following;
use tokio::time::{Instant, sleep_until};
use translation::{Dialect, Endpoint, Links};

use super::{Answering, Handlers, now};
use crate::Draining;
use crate::body::{Answer, Making, ReplyBody, Unfolded};
use crate::event_stream;
use crate::room::{Place, Room};

/// When a client whose stream has ended shall come back for the rest.
const RETRY_MILLIS: u64 = 1000;
/// When a client for whose stream there is no room may come back.
const FULL_RETRY_AFTER: Duration = Duration::from_secs(5);

/// The bounds of streams.
#[derive(Clone)]
pub(crate) struct EventBounds {
    /// Streams at one time.
    pub(crate) room: Room,
    /// A stream is never silent for longer.
    pub(crate) keep_alive: Duration,
    /// A stream is never longer.
    pub(crate) timeout: Duration,
}

/// A stream, between two of its pieces.
struct Stream {
    following: Following,
    dialect: &'static dyn Dialect,
    endpoint: &'static Endpoint,
    links: Links,
    /// The version that the client has seen.
    seen: Option<u64>,
    /// What was sent last: a change that nobody can see is none.
    sent: Bytes,
    has_begun: bool,
    ends_at: Instant,
    keep_alive: Duration,
    draining: Draining,
    _place: Place,
}

impl Handlers {
    /// The stream of a task for a client that has seen its version `seen`; without content if that is all there will be, so
    /// that the client does not come back.
    pub(super) async fn events(
        &self,
        answering: &Answering<'_>,
        (id, scope): (&TaskId, Option<Scope>),
        seen: Option<u64>,
    ) -> Result<Answer, Failure> {
        let following = self.tasks.follow(answering.client()?, id, scope).await?;
        let (dialect, endpoint) = answering.endpoint()?;
        let task = following.task();
        // What the task has not reached yet is no id of one of its events.
        let seen = event_stream::last_event_id(&answering.links.headers).or(seen);
        let seen = seen.filter(|seen| *seen <= task.version);
        let mut answer = Answer::default();
        if task.state.is_terminal() && seen == Some(task.version) {
            *answer.status_mut() = StatusCode::NO_CONTENT;
            return Ok(answer);
        }
        let full = || {
            Failure::new(
                FailureKind::Overloaded,
                "the gateway has too many event streams; polls are answered",
            )
            .with_retry_after(FULL_RETRY_AFTER)
        };
        let place = self.events.room.enter().ok_or_else(full)?;
        let stream = Stream {
            following,
            dialect,
            endpoint,
            links: answering.links.clone(),
            seen,
            sent: Bytes::new(),
            has_begun: false,
            ends_at: Instant::now() + self.events.timeout,
            keep_alive: self.events.keep_alive,
            draining: self.draining.clone(),
            _place: place,
        };
        *answer.headers_mut() = event_stream::headers();
        *answer.body_mut() = ReplyBody::streamed(Unfolded::new(stream, next));
        Ok(answer)
    }
}

fn next(stream: Stream) -> Making<Stream> {
    Box::pin(stream.next())
}

impl Stream {
    /// The next piece, when there is one. A stream that this process ends goes on where the client comes back.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        if !self.has_begun {
            self.has_begun = true;
            let event = self.event().unwrap_or_default();
            return Some((format!("{}{event}", event_stream::retry(RETRY_MILLIS)).into(), self));
        }
        let silent_until = Instant::now() + self.keep_alive;
        while !self.following.task().state.is_terminal() {
            tokio::select! {
                biased;
                () = self.draining.begun() => return None,
                () = self.following.changed() => {
                    if let Some(event) = self.event() {
                        return Some((event.into(), self));
                    }
                }
                () = sleep_until(self.ends_at) => return None,
                () = sleep_until(silent_until) => return Some((event_stream::KEEP_ALIVE, self)),
            }
        }
        None
    }

    /// How the task stands, if the client has not seen it.
    fn event(&mut self) -> Option<String> {
        let task = self.following.task();
        if self.seen.is_some_and(|seen| task.version <= seen) {
            return None;
        }
        self.seen = Some(task.version);
        self.links.now = now();
        let data = self.dialect.encode_task(self.endpoint, task, &self.links).body;
        if data == self.sent {
            return None;
        }
        let event =
            event_stream::event(task.version, self.dialect.event_name(task), &String::from_utf8_lossy(&data));
        self.sent = data;
        Some(event)
    }
}
