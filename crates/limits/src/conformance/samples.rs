//! Keys and short forms for the suite.

use domain::{AccountName, OwnerId, TaskId};

use crate::{Holding, LimitKey, Limiter, Rate, RateVerdict};

pub(super) fn client(name: &str) -> LimitKey {
    LimitKey::Client(OwnerId::new(name))
}

pub(super) fn model(owner: &str, model: &str) -> LimitKey {
    LimitKey::ClientModel(OwnerId::new(owner), model.to_owned())
}

pub(super) fn account(name: &str) -> LimitKey {
    LimitKey::Account(AccountName::new(name))
}

pub(super) fn provider(name: &str) -> LimitKey {
    LimitKey::Provider(name.to_owned())
}

pub(super) fn task(name: &str) -> TaskId {
    TaskId::new(name)
}

pub(super) fn holding(name: &str, keys: &[LimitKey]) -> Holding {
    Holding { task: task(name), keys: keys.to_vec() }
}

/// How many of `tries` requests, one after the other, pass.
pub(super) async fn passed(limiter: &dyn Limiter, rates: &[(LimitKey, Rate)], tries: usize) -> usize {
    let mut passed = 0;
    for _try in 0..tries {
        passed += usize::from(is_allowed(&limiter.check(rates).await));
    }
    passed
}

pub(super) fn is_allowed(verdict: &RateVerdict) -> bool {
    matches!(verdict, RateVerdict::Allowed(_))
}
