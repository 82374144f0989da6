//! Limits of one day, which begins at midnight UTC. The store counts them: they are as durable as the tasks.

use domain::{Client, Failure, FailureKind, Task};
use store::{DailyBound, DailyKey, DailyLimit, OverDaily};

/// What the tasks of a client for that public model count in today. Nothing where there is no bound.
pub(crate) fn of_client(client: &Client, model: &str) -> Vec<DailyLimit> {
    let of_all = (DailyKey::Client(client.owner.clone()), client.limits.daily);
    let of_model = client.access.per_model.get(model).map(|limits| {
        let key = DailyKey::ClientModel(client.owner.clone(), model.to_owned());
        (key, limits.daily)
    });
    let bounded = std::iter::once(of_all).chain(of_model).filter(|(_, limits)| !limits.is_empty());
    bounded.map(|(key, limits)| DailyLimit { key, limits }).collect()
}

/// What a client learns whose task is one too many today.
pub(crate) fn refusal(over: &OverDaily, task: &Task) -> Failure {
    let of = match &over.key {
        DailyKey::ClientModel(_, model) => format!(" for {model}"),
        DailyKey::Client(_) | DailyKey::Account(_) | DailyKey::Provider(_) => String::new(),
    };
    match over.bound {
        DailyBound::Tasks => {
            let text =
                format!("this key has had its tasks of today{of}; the next day begins at midnight UTC");
            Failure::new(FailureKind::RateLimited, text)
        }
        DailyBound::Spend { left } => {
            let reserved = task.quote.reserved;
            let text = format!("the task costs up to {reserved}, and this key has {left} left for today{of}");
            Failure::new(FailureKind::OutOfBudget, text)
        }
    }
    .with_retry_after(over.resets_in)
}
