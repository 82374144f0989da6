//! What one part of the file may name in another: models, accounts and regions that exist.

use std::collections::BTreeMap;

use domain::ModelSpec;

use crate::Known;
use crate::file::File;
use crate::findings::Findings;
use crate::near;
use crate::sections::sandbox_account;

/// Everything that may be named.
pub(super) struct Names<'a> {
    /// The built-in models as the file changes them, and those of the file.
    models: BTreeMap<&'a str, &'a ModelSpec>,
    /// Nothing if the list of accounts is too broken to tell.
    accounts: Option<Vec<String>>,
    /// The same of regions.
    regions: Option<Vec<&'a str>>,
}

impl<'a> Names<'a> {
    pub(super) fn new(
        file: &'a File,
        models: &'a [ModelSpec],
        known: &Known<'a>,
        findings: &Findings<'_>,
    ) -> Self {
        let built_in = known.models.iter().copied();
        // Of two models of the file with one name the first counts.
        let all = built_in.chain(models.iter().rev());
        Self {
            models: all.map(|model| (model.name.as_str(), model)).collect(),
            accounts: accounts(file, known, findings),
            regions: regions(file, findings),
        }
    }

    /// All models.
    pub(super) fn models(&self) -> impl Iterator<Item = &'a ModelSpec> {
        self.models.values().copied()
    }

    /// The model of that name; notes a problem if there is none.
    pub(super) fn model(&self, name: &str, path: &str, findings: &mut Findings<'_>) -> Option<&'a ModelSpec> {
        if let Some(model) = self.models.get(name) {
            return Some(model);
        }
        let own = self.models().find(|model| model.aliases.iter().any(|alias| alias == name));
        match own {
            Some(model) => {
                let own = &model.name;
                findings.add(path, format!("\"{name}\" is another name of \"{own}\"; write that"));
            }
            None => {
                let hint = near::suggestion(name, self.models.keys().copied());
                findings.add(path, format!("there is no model \"{name}\"{hint}"));
            }
        }
        None
    }

    /// Notes an account that does not exist.
    pub(super) fn account(&self, name: &str, path: &str, findings: &mut Findings<'_>) {
        let Some(accounts) = &self.accounts else { return };
        if !accounts.iter().any(|account| account == name) {
            let hint = near::suggestion(name, accounts.iter().map(String::as_str));
            findings.add(path, format!("there is no account \"{name}\"{hint}"));
        }
    }

    /// Notes a region in which no account works.
    pub(super) fn region(&self, name: &str, path: &str, findings: &mut Findings<'_>) {
        let Some(regions) = &self.regions else { return };
        if !regions.contains(&name) {
            let hint = near::suggestion(name, regions.iter().copied());
            findings.add(path, format!("no account has the region \"{name}\"{hint}"));
        }
    }
}

fn accounts(file: &File, known: &Known<'_>, findings: &Findings<'_>) -> Option<Vec<String>> {
    if is_any_broken(file, "name", findings) {
        return None;
    }
    let declared = file.accounts.iter().filter_map(|account| account.name.clone());
    let embedded = known.providers.iter().filter(|_| file.sandbox.embed).map(|name| sandbox_account(name));
    Some(declared.chain(embedded).collect())
}

fn regions<'a>(file: &'a File, findings: &Findings<'_>) -> Option<Vec<&'a str>> {
    if is_any_broken(file, "regions", findings) {
        return None;
    }
    Some(
        file.accounts
            .iter()
            .filter_map(|account| account.regions.as_ref())
            .flatten()
            .map(String::as_str)
            .collect(),
    )
}

/// Whether an account, or its value for `key`, could not be read.
fn is_any_broken(file: &File, key: &str, findings: &Findings<'_>) -> bool {
    let broken = |index| {
        let path = format!("accounts[{index}]");
        findings.is_broken(&path) || findings.is_broken(&format!("{path}.{key}"))
    };
    findings.is_broken("accounts") || (0..file.accounts.len()).any(broken)
}
