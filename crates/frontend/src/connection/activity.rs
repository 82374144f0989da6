//! What is going on on a connection, and when it has gone on for too long without getting anywhere.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, sleep_until};
use tower::BoxError;

use crate::body::{Answer, ReplyBody};

/// Watches one connection. While a request is being answered the request's own deadlines count, and nothing here. At
/// all other times something must move: a request head that has begun must be whole within the header timeout, and
/// besides that a connection may be without progress for the idle timeout. Progress is a request that begins or is
/// answered, or a piece of a reply that the client makes room for; a byte that keeps the line warm is none.
pub(super) struct Activity {
    header_timeout: Duration,
    idle_timeout: Duration,
    now: Mutex<Now>,
}

struct Now {
    /// Requests that are being answered.
    handling: usize,
    /// Replies that are being sent.
    sending: usize,
    /// HTTP/2 has frames that belong to no request, so only with HTTP/1 does a byte mean that a head begins.
    is_http1: bool,
    head_begun_at: Option<Instant>,
    progress_at: Instant,
}

/// A request that is being answered.
pub(super) struct Handling(Arc<Activity>);

/// A reply that is being sent.
pub(super) struct Sending {
    body: ReplyBody,
    activity: Arc<Activity>,
}

impl Activity {
    /// The watch over a connection that has just sent its first bytes.
    pub(super) fn new(header_timeout: Duration, idle_timeout: Duration) -> Self {
        let now = Now {
            handling: 0,
            sending: 0,
            is_http1: false,
            head_begun_at: None,
            progress_at: Instant::now(),
        };
        Self { header_timeout, idle_timeout, now: Mutex::new(now) }
    }

    /// Bytes are heads from now on.
    pub(super) fn speaks_http1(&self) {
        self.now().is_http1 = true;
    }

    /// The client has sent something.
    pub(super) fn received(&self) {
        let mut now = self.now();
        if now.is_http1 && now.handling == 0 && now.sending == 0 && now.head_begun_at.is_none() {
            now.head_begun_at = Some(Instant::now());
        }
    }

    /// A request head is whole.
    pub(super) fn begin(activity: &Arc<Self>) -> Handling {
        let mut now = activity.now();
        now.handling += 1;
        now.head_begun_at = None;
        drop(now);
        Handling(Arc::clone(activity))
    }

    /// Returns when nothing has moved for too long.
    pub(super) async fn overdue(&self) {
        let mut alarm = std::pin::pin!(sleep_until(self.deadline()));
        std::future::poll_fn(|cx| {
            loop {
                let deadline = self.deadline();
                if deadline <= Instant::now() {
                    return Poll::Ready(());
                }
                // An alarm that comes too early only looks again; moving it with each request would cost more.
                if alarm.is_elapsed() || alarm.deadline() > deadline {
                    alarm.as_mut().reset(deadline);
                }
                if alarm.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await;
    }

    fn deadline(&self) -> Instant {
        let now = self.now();
        match now.head_begun_at {
            _ if now.handling > 0 => Instant::now() + self.idle_timeout,
            Some(begun) if now.sending == 0 => begun + self.header_timeout,
            _ => now.progress_at + self.idle_timeout,
        }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handling {
    /// The answer is there; its body counts as being sent until it is dropped.
    pub(super) fn answered(self, answer: Answer) -> Response<Sending> {
        self.0.now().sending += 1;
        let activity = Arc::clone(&self.0);
        answer.map(|body| Sending { body, activity })
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        let mut now = self.0.now();
        now.handling -= 1;
        now.progress_at = Instant::now();
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let mut now = self.activity.now();
        now.sending -= 1;
        now.progress_at = Instant::now();
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_ready() {
            self.activity.now().progress_at = Instant::now();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tokio::time::{advance, timeout};

    use super::*;

    const HEADER: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(60);

    fn http1() -> Arc<Activity> {
        let activity = Arc::new(Activity::new(HEADER, IDLE));
        activity.speaks_http1();
        activity
    }

    async fn seconds_left(activity: &Activity) -> u64 {
        let begun = Instant::now();
        timeout(Duration::from_secs(3600), activity.overdue()).await.unwrap();
        begun.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_ends_and_a_begun_head_ends_sooner() {
        assert_eq!(seconds_left(&http1()).await, 60);
        let activity = http1();
        activity.received();
        advance(Duration::from_secs(4)).await;
        activity.received();
        assert_eq!(seconds_left(&activity).await, 6, "more bytes of the same head do not count");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_under_way_is_not_ours_to_end() {
        let activity = http1();
        activity.received();
        let handling = Activity::begin(&activity);
        assert!(timeout(Duration::from_secs(3600), activity.overdue()).await.is_err());
        drop(handling);
        assert_eq!(seconds_left(&activity).await, 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_that_nobody_reads_ends_the_connection() {
        let activity = http1();
        let mut sending = Activity::begin(&activity).answered(Answer::new("piece".into())).into_body();
        advance(Duration::from_secs(50)).await;
        sending.frame().await.unwrap().unwrap();
        activity.received();
        assert_eq!(seconds_left(&activity).await, 60, "a piece is progress, a pipelined byte is not");
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_are_no_request_do_not_keep_http2_alive() {
        let activity = Activity::new(HEADER, IDLE);
        advance(Duration::from_secs(50)).await;
        activity.received();
        assert_eq!(seconds_left(&activity).await, 10);
    }
}
