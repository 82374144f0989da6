//! New tasks by column, for statements that store all of a group.

use std::borrow::Cow;
use std::collections::BTreeSet;

use tokio_postgres::types::ToSql;

use super::decide::{Asked, Known};
use crate::daily::AT_ACCEPT;
use crate::postgres::durations::millis;
use crate::postgres::rows::signed;
use crate::postgres::text::storable;
use crate::postgres::{attempts, daily, ledger};

/// The keys of idempotency that are asked for.
#[derive(Debug, Default)]
pub(super) struct ReadKeys<'a> {
    owners: Vec<&'a str>,
    keys: Vec<Cow<'a, str>>,
}

impl<'a> ReadKeys<'a> {
    pub(super) fn of(asked: &'a [Asked]) -> Self {
        let named = |asked: &'a Asked| {
            asked.terms.idempotency.as_ref().map(|key| (asked.row.owner.as_str(), storable(&key.key)))
        };
        let (owners, keys) = asked.iter().filter_map(named).collect::<BTreeSet<_>>().into_iter().unzip();
        Self { owners, keys }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    pub(super) fn values(&self) -> [&(dyn ToSql + Sync); 2] {
        [&self.owners, &self.keys]
    }
}

/// All that is stored of a group.
#[derive(Debug)]
pub(super) struct Columns<'a> {
    pub(super) tasks: TaskColumns<'a>,
    pub(super) attempts: attempts::Columns<'a>,
    pub(super) owners: OwnerColumns<'a>,
    pub(super) keys: KeyColumns<'a>,
    pub(super) uses: daily::Uses,
    pub(super) days: daily::Changes,
    pub(super) entries: ledger::Columns<'a>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(new: &[&'a Asked], known: &Known) -> Self {
        let mut columns = Self {
            tasks: TaskColumns::default(),
            attempts: attempts::Columns::default(),
            owners: OwnerColumns::of(new, known),
            keys: KeyColumns::default(),
            uses: daily::Uses::default(),
            days: known.days.changes(),
            entries: ledger::Columns::of(new.iter().filter_map(|asked| asked.row.reserve.as_ref())),
        };
        for Asked { row, terms, .. } in new {
            columns.attempts.add(&row.id, &row.change.attempts);
            columns.uses.add((&row.id, AT_ACCEPT), known.days.today(), &terms.daily, row.reserved);
        }
        for asked in new {
            columns.tasks.add(asked);
            columns.keys.add(asked);
        }
        columns
    }
}

#[derive(Debug, Default)]
pub(super) struct TaskColumns<'a> {
    ids: Vec<&'a str>,
    owners: Vec<&'a str>,
    dialects: Vec<&'a str>,
    scopes: Vec<&'a str>,
    models: Vec<Cow<'a, str>>,
    states: Vec<&'a str>,
    created: Vec<i64>,
    deadlines: Vec<i64>,
    ended: Vec<Option<i64>>,
    versions: Vec<i64>,
    state_data: Vec<&'a str>,
    quotes: Vec<Option<&'a str>>,
    requests: Vec<&'a str>,
}

impl<'a> TaskColumns<'a> {
    fn add(&mut self, Asked { row, .. }: &'a Asked) {
        self.ids.push(&row.id);
        self.owners.push(&row.owner);
        self.dialects.push(&row.dialect);
        self.scopes.push(row.scope);
        self.models.push(storable(&row.model));
        self.states.push(row.change.state);
        self.created.push(row.created_at);
        self.deadlines.push(row.deadline_at);
        self.ended.push(row.change.ended_at);
        self.versions.push(signed(row.change.version));
        self.state_data.push(&row.change.state_data);
        self.quotes.push(row.quote.as_deref());
        self.requests.push(&row.request);
    }

    pub(super) fn values(&self) -> [&(dyn ToSql + Sync); 13] {
        [
            &self.ids,
            &self.owners,
            &self.dialects,
            &self.scopes,
            &self.models,
            &self.states,
            &self.created,
            &self.deadlines,
            &self.ended,
            &self.versions,
            &self.state_data,
            &self.quotes,
            &self.requests,
        ]
    }
}

/// What the owners have from now on.
#[derive(Debug, Default)]
pub(super) struct OwnerColumns<'a> {
    owners: Vec<&'a str>,
    live: Vec<i64>,
    committed: Vec<i64>,
}

impl<'a> OwnerColumns<'a> {
    fn of(new: &[&'a Asked], known: &Known) -> Self {
        let mut columns = Self::default();
        for owner in new.iter().map(|asked| asked.row.owner.as_str()).collect::<BTreeSet<_>>() {
            let has = known.owner(owner);
            columns.owners.push(owner);
            columns.live.push(has.live.into());
            columns.committed.push(has.committed);
        }
        columns
    }

    pub(super) fn values(&self) -> [&(dyn ToSql + Sync); 3] {
        [&self.owners, &self.live, &self.committed]
    }
}

#[derive(Debug, Default)]
pub(super) struct KeyColumns<'a> {
    owners: Vec<&'a str>,
    keys: Vec<Cow<'a, str>>,
    fingerprints: Vec<&'a [u8]>,
    tasks: Vec<&'a str>,
    lifetimes: Vec<i64>,
}

impl<'a> KeyColumns<'a> {
    fn add(&mut self, Asked { row, terms, .. }: &'a Asked) {
        let Some(key) = &terms.idempotency else { return };
        self.owners.push(&row.owner);
        self.keys.push(storable(&key.key));
        self.fingerprints.push(&key.fingerprint);
        self.tasks.push(&row.id);
        self.lifetimes.push(millis(key.lifetime));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    pub(super) fn values(&self) -> [&(dyn ToSql + Sync); 5] {
        [&self.owners, &self.keys, &self.fingerprints, &self.tasks, &self.lifetimes]
    }
}
