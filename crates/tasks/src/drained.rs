//! Accounts that the operator has drained. The store remembers them, so that a drain holds in every process on it, and over
//! a restart; what is known here is read from it every few seconds.

use std::collections::HashSet;

use domain::{Account, Failure, with_sources};
use store::StoreError;

use crate::shared::{Shared, store_failure};

impl Shared {
    /// From now on the account gets no new work: here at once, in other processes when they read of it.
    pub(crate) async fn drain(&self, account: &Account) -> Result<(), Failure> {
        self.health.drain(account);
        let stored = self.store.drain_account(&account.name).await;
        // What was read before this is not what is true after it.
        self.health.drain(account);
        stored.map(drop).map_err(|error| store_failure(&error))
    }

    /// From now on the account gets new work again. What else keeps it from work is forgotten, but only here: other
    /// processes have seen for themselves how it does.
    pub(crate) async fn resume(&self, account: &Account) -> Result<(), Failure> {
        self.store.resume_account(&account.name).await.map_err(|error| store_failure(&error))?;
        self.health.resume(account);
        self.waiting.open(&account.name);
        Ok(())
    }

    /// Reads which accounts are drained.
    pub(crate) async fn read_drained(&self) -> Result<(), StoreError> {
        let before = self.health.drains();
        let drained: HashSet<_> = self.store.drained_accounts().await?.into_iter().collect();
        for account in self.health.set_drained(&self.setup.get(), &drained, before) {
            self.waiting.open(&account);
        }
        Ok(())
    }

    /// The same, which can wait if the store is away.
    pub(crate) async fn keep_reading_drained(&self) {
        if let Err(error) = self.read_drained().await {
            tracing::warn!(error = with_sources(&error), "which accounts are drained could not be read");
        }
    }
}
