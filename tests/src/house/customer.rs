//! The client in the house: what it wants it asks for until it is answered, and it reads what has not ended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::Client;
use crate::client::filled;
use crate::history::{Answer, Ask, Log};

/// Between two rounds of reading what has not ended.
const READ_EVERY: Duration = Duration::from_millis(30);

/// The client: its log, and what it still has to ask for.
#[derive(Clone, Default)]
pub(super) struct Customer {
    log: Arc<Mutex<Log>>,
    /// The body of each ask of the log.
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Customer {
    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn bodies(&self) -> MutexGuard<'_, Vec<Value>> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks that are to be made: those without an answer, if they have a key or were never made. Who has no key cannot
    /// ask again without the risk of paying twice.
    pub(super) fn unanswered(&self) -> Vec<usize> {
        let is_open = |ask: &Ask| {
            let may_ask =
                ask.key.is_some() || ask.answers.iter().all(|answer| matches!(answer, Answer::Refused(_)));
            ask.ids().next().is_none() && may_ask
        };
        let log = self.log();
        (0..log.asks.len()).filter(|number| is_open(&log.asks[*number])).collect()
    }

    /// Statuses that say that it will never be answered.
    pub(super) fn refusals(&self) -> Vec<u16> {
        let log = self.log();
        let answers = log.asks.iter().flat_map(|ask| &ask.answers);
        let refusal = |answer: &Answer| match answer {
            Answer::Refused(status) => Some(*status).filter(|status| *status < 500 && *status != 429),
            Answer::Task(_) | Answer::Nothing => None,
        };
        answers.filter_map(refusal).collect()
    }

    /// Ids that were read in no end state.
    pub(super) fn unended(&self) -> Vec<String> {
        let log = self.log();
        let has_ended = |id: &str| {
            let last = log.reads.get(id).and_then(|states| states.last());
            last.is_some_and(|state| state == "SUCCESS" || state == "FAILURE")
        };
        let ids = log.asks.iter().flat_map(Ask::ids);
        ids.filter(|id| !has_ended(id)).map(str::to_owned).collect()
    }

    /// Makes all asks that are to be made, at once; those with a key `copies` times each.
    pub(super) fn ask(&self, client: &Client, copies: usize) -> JoinSet<()> {
        let mut asking = JoinSet::new();
        for number in self.unanswered() {
            let (body, key) = (self.bodies()[number].to_string(), self.log().asks[number].key.clone());
            for _ in 0..if key.is_some() { copies } else { 1 } {
                let mut request = client.post_request("/v2/images/generations", body.clone());
                if let Some(key) = &key {
                    let key = key.parse().expect("a key fits into a header");
                    request.headers_mut().insert("idempotency-key", key);
                }
                let (client, customer) = (client.clone(), self.clone());
                asking.spawn(async move {
                    let answer = match client.try_call(request).await {
                        Ok(reply) if reply.status == StatusCode::OK => Answer::Task(
                            reply.json()["task_id"].as_str().expect("a task has an id").to_owned(),
                        ),
                        Ok(reply) => Answer::Refused(reply.status.as_u16()),
                        Err(_) => Answer::Nothing,
                    };
                    customer.log().asks[number].answers.push(answer);
                });
            }
        }
        asking
    }

    /// Reads what has not ended, once; false if the gateway is away.
    pub(super) async fn read(&self, client: &Client) -> bool {
        for id in self.unended() {
            let request = client.request(Method::GET, &format!("/v2/images/generations/{id}"));
            let Ok(reply) = client.try_call(filled(request, "")).await else { return false };
            if reply.status == StatusCode::OK {
                let task = reply.json();
                self.log().read(&id, task["status"].as_str().expect("a task has a status"));
            }
        }
        true
    }

    pub(super) async fn read_on(self, client: Client) {
        let mut rounds = tokio::time::interval(READ_EVERY);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.read(&client).await {
            rounds.tick().await;
        }
    }
}
