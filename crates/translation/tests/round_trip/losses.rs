//! The list of what APIs lose.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::fates::Fate;

/// The section for what the gateway keeps to itself, whatever the API.
pub(crate) const EVERY: &str = "every";

/// API, field, fate.
pub(crate) type Row = (String, String, Fate);

/// `losses.toml`.
pub(crate) struct Losses(BTreeMap<String, Section>);

/// The losses of one API.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Section {
    refused: BTreeSet<String>,
    dropped: BTreeMap<String, String>,
    folded: BTreeMap<String, String>,
    /// Fields that are an exception from [`EVERY`].
    survives: BTreeSet<String>,
}

impl Losses {
    /// Reads the list.
    pub(crate) fn read() -> Self {
        Self(toml::from_str(include_str!("losses.toml")).expect("a list of losses"))
    }

    /// All that is listed of `apis`.
    pub(crate) fn rows(&self, apis: &BTreeSet<String>) -> BTreeSet<Row> {
        let none = Section::default();
        let every = self.0.get(EVERY).unwrap_or(&none);
        let rows = apis.iter().flat_map(|api| {
            let own = self.0.get(api).unwrap_or(&none);
            let general = every.rows().filter(|(field, _)| !own.survives.contains(*field));
            general.chain(own.rows()).map(|(field, fate)| (api.clone(), field.clone(), fate))
        });
        rows.collect()
    }

    /// The sections, and all reasons in each.
    pub(crate) fn reasons(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = (&String, &String)>)> {
        self.0.iter().map(|(api, section)| (api.as_str(), section.dropped.iter().chain(&section.folded)))
    }
}

impl Section {
    fn rows(&self) -> impl Iterator<Item = (&String, Fate)> {
        let refused = self.refused.iter().map(|field| (field, Fate::Refused));
        let dropped = self.dropped.keys().map(|field| (field, Fate::Dropped));
        refused.chain(dropped).chain(self.folded.keys().map(|field| (field, Fate::Folded)))
    }
}
