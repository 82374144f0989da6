//! What a task costs, as APIs tell their clients. What they call a credit is one unit of the gateway's currency here.

use domain::{Money, Task};
use serde_json::value::RawValue;

/// A number with exactly the digits of the amount; a binary fraction could not promise that.
pub(crate) type Credits = Box<RawValue>;

/// What is set aside for the task.
pub(crate) fn reserved(task: &Task) -> Credits {
    credits(task.quote.reserved)
}

/// What the task has cost in the end; absent while that is open, and where nothing has a price.
pub(crate) fn spent(task: &Task) -> Option<Credits> {
    let settlement = task.settlement().filter(|_| !task.quote.prices.is_empty())?;
    Some(credits(settlement.captured))
}

fn credits(amount: Money) -> Credits {
    RawValue::from_string(amount.to_string()).expect("a decimal number is JSON")
}
