//! Many clients at once, and what became of what they asked for.

use std::time::Instant;

use http::StatusCode;
use tokio::task::JoinSet;

use crate::config::image;
use crate::{Client, Gateway, Reply};

/// Requests on one connection at one time; a gateway allows 128.
const STREAMS: usize = 100;

/// Asks the gateways in turn for `count` tasks that never end, all at once; their replies, in no order.
pub async fn create_at_once(gateways: &[&Gateway], count: usize) -> Vec<Reply> {
    let clients: Vec<Client> =
        (0..count.div_ceil(STREAMS)).map(|number| gateways[number % gateways.len()].http2_client()).collect();
    let mut requests = JoinSet::new();
    for number in 0..count {
        let client = clients[number % clients.len()].clone();
        let body = image(&format!("{number} [sandbox:never]")).to_string();
        requests.spawn(async move { client.post("/v2/images/generations", body).await });
    }
    requests.join_all().await
}

/// How many of `replies` have that status.
pub fn count(replies: &[Reply], status: StatusCode) -> usize {
    replies.iter().filter(|reply| reply.status == status).count()
}

/// Requests that passed a limit, each with the moments before it was sent and after it was answered: it was counted in
/// between.
#[derive(Debug, Default)]
pub struct Passed {
    spans: Vec<(Instant, Instant)>,
}

impl Passed {
    /// One more.
    pub fn push(&mut self, sent: Instant, answered: Instant) {
        self.spans.push((sent, answered));
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// By how many requests the fullest window is above `burst` and what `per_minute` gives in it; not positive if the limit
    /// was kept. Of each window only those count that were surely counted in it.
    pub fn most_above(&self, per_minute: u32, burst: u32) -> f64 {
        let mut by_end = self.spans.clone();
        by_end.sort_unstable_by_key(|(_, answered)| *answered);
        let above_from = |begin: Instant| {
            let inside = by_end.iter().filter(|(sent, _)| *sent >= begin);
            let above = |(number, (_, answered)): (u32, &(Instant, Instant))| {
                let seconds = answered.saturating_duration_since(begin).as_secs_f64();
                f64::from(number) - f64::from(burst) - f64::from(per_minute) / 60.0 * seconds
            };
            (1..).zip(inside).map(above).fold(f64::NEG_INFINITY, f64::max)
        };
        self.spans.iter().map(|(sent, _)| above_from(*sent)).fold(f64::NEG_INFINITY, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_fullest_window_is_found() {
        let (start, mut passed) = (Instant::now(), Passed::default());
        for millis in [0, 10_000, 10_000, 10_000, 20_000] {
            let moment = start + Duration::from_millis(millis);
            passed.push(moment, moment);
        }
        assert_eq!(passed.most_above(6, 2), 1.0, "three at once");
        assert_eq!(passed.most_above(6, 3), 0.0);
    }
}
