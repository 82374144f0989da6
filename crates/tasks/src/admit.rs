//! Accepting a task that is ready to be stored: within the limits of its client, or as the one that was asked for before.

use std::time::Duration;

use domain::{Client, Failure, FailureKind, Task, TaskId, with_sources};
use limits::{LimitKey, Rate, RateVerdict};
use store::{Admission, IdempotencyKey, StoreError, Terms};
use tokio::time::Instant;
use tracing::{Instrument as _, Span};

use crate::create::Created;
use crate::shared::store_failure;
use crate::slots::NoSlot;
use crate::{TaskService, daily};

/// Suggested to a client that has too many tasks: the usual length of a fast generation's last part.
const AT_LIMIT_RETRY_AFTER: Duration = Duration::from_secs(5);

impl TaskService {
    /// Stores `task` if its client's limits allow it. `name` is what the request is known by, if it is asked again.
    pub(crate) async fn admit(
        &self,
        client: &Client,
        task: Task,
        name: Option<IdempotencyKey>,
    ) -> Result<Created, Failure> {
        let (service, client) = (self.clone(), client.clone());
        // Whoever asks may hang up at any moment, and what was taken must be given back all the same.
        let admitting = tokio::spawn(
            async move { service.admit_to_the_end(&client, task, name).await }.instrument(Span::current()),
        );
        admitting.await.unwrap_or_else(|crash| Err(Failure::internal(with_sources(&crash))))
    }

    async fn admit_to_the_end(
        &self,
        client: &Client,
        task: Task,
        name: Option<IdempotencyKey>,
    ) -> Result<Created, Failure> {
        let terms = match self.count_in(client, &task).await {
            Ok(()) => {
                let limits = &client.limits;
                let daily = daily::of_client(client, &task.request.model);
                Terms { budget: limits.budget, daily, ..Terms::concurrent_tasks(limits.concurrent_tasks) }
            }
            Err(refusal) if name.is_none() => return Err(refusal),
            // What was accepted before is answered again, whatever is in use now.
            Err(refusal) => {
                let terms = Terms { idempotency: name, ..Terms::concurrent_tasks(0) };
                return match self.shared.store.create(&task, &terms).await {
                    Ok(Admission::AtLimit { .. }) => Err(refusal),
                    known => self.not_admitted(client, &task, known).await,
                };
            }
        };
        // Shown before it is stored: nobody knows its id yet, and the worker may end it before this returns.
        self.shared.live.show(&task);
        failpoints::pass("before_accept");
        let begun = Instant::now();
        let admission = self.shared.store.create(&task, &Terms { idempotency: name, ..terms }).await;
        self.shared.metrics.decided(begun.elapsed());
        failpoints::pass("accept_stored");
        if let Ok(Admission::Admitted) = admission {
            self.shared.metrics.accepted(&self.shared.setup.get(), &task);
            self.shared.wake.notify_one();
            return Ok(Created { task, replayed: false });
        }
        self.shared.live.forget(&task.id);
        self.shared.leave(&task.id).await;
        self.not_admitted(client, &task, admission).await
    }

    /// Counts the task against the limits that the store does not count. Slots come first, because they can be given back.
    async fn count_in(&self, client: &Client, task: &Task) -> Result<(), Failure> {
        let slots = &self.shared.slots;
        slots.enter(client, task).await.map_err(|refused| match refused {
            NoSlot::Full { key: LimitKey::ClientModel(_, model), max } => {
                too_many(max, &format!(" of {model}"))
            }
            NoSlot::Full { max, .. } => too_many(max, ""),
            NoSlot::Unavailable { retry_after } => uncounted(retry_after),
        })?;
        let queue_max = self.shared.setup.get().queue_max;
        let counted = match self.shared.waiting.admit(&task.id, queue_max) {
            Ok(()) => self.count_request(client, &task.request.model).await,
            Err(retry_after) => {
                self.shared.metrics.queue_was_full();
                Err(queue_full(retry_after))
            }
        };
        if counted.is_err() {
            self.shared.leave(&task.id).await;
        }
        counted
    }

    /// Counts the request against its client's rate for that model.
    async fn count_request(&self, client: &Client, model: &str) -> Result<(), Failure> {
        let of_model = client.access.per_model.get(model).and_then(|limits| limits.requests_per_minute);
        let Some(per_minute) = of_model else { return Ok(()) };
        let key = LimitKey::ClientModel(client.owner.clone(), model.to_owned());
        match self.shared.limiter.check(&[(key, Rate::per_minute(per_minute))]).await {
            RateVerdict::Allowed(_) => Ok(()),
            RateVerdict::Refused { retry_after, .. } => {
                let text = format!("too many requests: this key may make {per_minute} of {model} a minute");
                Err(Failure::new(FailureKind::RateLimited, text).with_retry_after(retry_after))
            }
            RateVerdict::Unavailable { retry_after } => Err(uncounted(retry_after)),
        }
    }

    async fn not_admitted(
        &self,
        client: &Client,
        task: &Task,
        admission: Result<Admission, StoreError>,
    ) -> Result<Created, Failure> {
        match admission {
            Ok(Admission::Admitted) => Err(Failure::internal("a task was accepted that was not to be")),
            Ok(Admission::AtLimit { .. }) => {
                self.shared.limiter.note_refusal(&LimitKey::Client(client.owner.clone()), "tasks");
                Err(too_many(client.limits.concurrent_tasks, ""))
            }
            Ok(Admission::OverBudget { left }) => {
                self.shared.limiter.note_refusal(&LimitKey::Client(client.owner.clone()), "budget");
                let text = format!(
                    "the task costs up to {}, and the budget of this key has {left} left",
                    task.quote.reserved
                );
                Err(Failure::new(FailureKind::OutOfBudget, text))
            }
            Ok(Admission::OverDaily(over)) => {
                daily::count_refusal(&self.shared, &over);
                Err(daily::refusal(&over, task))
            }
            Ok(Admission::Replayed { task }) => self.made_before(client, &task).await,
            Ok(Admission::KeyReused) => {
                let text = "this idempotency key belongs to an earlier request that asked for something else";
                Err(Failure::new(FailureKind::KeyReused, text))
            }
            // Only the id of a follow-up is known before: somebody else has just asked for the same one.
            Err(StoreError::Conflict(_)) => self.made_before(client, &task.id).await,
            Err(error) => Err(store_failure(&error)),
        }
    }

    async fn made_before(&self, client: &Client, id: &TaskId) -> Result<Created, Failure> {
        let task = self.get(client, id, None).await?;
        Ok(Created { task: (*task).clone(), replayed: true })
    }
}

fn too_many(max: u32, of: &str) -> Failure {
    let text = format!("too many concurrent tasks: this key may have {max}{of}");
    Failure::new(FailureKind::TooManyTasks, text).with_retry_after(AT_LIMIT_RETRY_AFTER)
}

fn uncounted(retry_after: Duration) -> Failure {
    let text = "the gateway cannot count tasks right now, nothing was accepted";
    Failure::new(FailureKind::Overloaded, text).with_retry_after(retry_after)
}

fn queue_full(retry_after: Duration) -> Failure {
    let text = "too many tasks wait for their turn already, nothing was accepted";
    Failure::new(FailureKind::Overloaded, text).with_retry_after(retry_after)
}
