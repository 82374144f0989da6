//! What one part of the file may name in another: models, accounts and regions that exist.

use std::collections::{BTreeMap, HashSet};

use domain::{ModelPatch, ModelSpec, Scope};

use crate::Known;
use crate::file::File;
use crate::findings::Findings;
use crate::near;
use crate::sections::sandbox_account;

/// Everything that may be named.
pub(super) struct Names<'a> {
    /// The built-in models as the file changes them, and those of the file.
    models: BTreeMap<String, ModelSpec>,
    /// Each with its provider. Nothing if the list of accounts is too broken to tell.
    accounts: Option<BTreeMap<String, Option<String>>>,
    /// The same of regions.
    regions: Option<Vec<&'a str>>,
}

impl<'a> Names<'a> {
    pub(super) fn new(
        file: &'a File,
        patches: &[ModelPatch],
        known: &Known<'_>,
        findings: &Findings<'_>,
    ) -> Self {
        Self {
            models: models(patches, known),
            accounts: accounts(file, known, findings),
            regions: regions(file, findings),
        }
    }

    /// All models.
    pub(super) fn models(&self) -> impl Iterator<Item = &ModelSpec> {
        self.models.values()
    }

    /// `model`, the one that replaces it, and so on.
    pub(super) fn successors<'b>(&'b self, model: &'b ModelSpec) -> impl Iterator<Item = &'b ModelSpec> {
        let next = |model: &&ModelSpec| self.models.get(model.replaced_by.as_ref()?);
        std::iter::successors(Some(model), next).take(self.models.len())
    }

    /// The model of that name; notes a problem if there is none.
    pub(super) fn model(&self, name: &str, path: &str, findings: &mut Findings<'_>) -> Option<&ModelSpec> {
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
                let hint = near::suggestion(name, self.models.keys().map(String::as_str));
                findings.add(path, format!("there is no model \"{name}\"{hint}"));
            }
        }
        None
    }

    /// Notes an account that does not exist.
    pub(super) fn account(&self, name: &str, path: &str, findings: &mut Findings<'_>) {
        let Some(accounts) = &self.accounts else { return };
        if !accounts.contains_key(name) {
            let hint = near::suggestion(name, accounts.keys().map(String::as_str));
            findings.add(path, format!("there is no account \"{name}\"{hint}"));
        }
    }

    /// The provider of that account, as far as it is known.
    pub(super) fn provider(&self, account: &str) -> Option<&str> {
        self.accounts.as_ref()?.get(account)?.as_deref()
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

/// The built-in models after what the file says of them, and its own. A name that the file uses is no longer another name
/// of a built-in model.
fn models(patches: &[ModelPatch], known: &Known<'_>) -> BTreeMap<String, ModelSpec> {
    let used: HashSet<&String> = patches
        .iter()
        .flat_map(|patch| std::iter::once(&patch.name).chain(patch.aliases.iter().flatten()))
        .collect();
    let mut models = BTreeMap::new();
    for model in known.models {
        let mut model = ModelSpec::clone(model);
        model.aliases.retain(|alias| !used.contains(alias));
        models.insert(model.name.clone(), model);
    }
    // Of two with one name the first counts.
    for patch in patches.iter().rev() {
        let name = patch.name.clone();
        let model = patch.clone().apply(models.get(&name));
        models.insert(name.clone(), model.unwrap_or_else(|| ModelSpec::new(name, Scope::Videos)));
    }
    models
}

fn accounts(
    file: &File,
    known: &Known<'_>,
    findings: &Findings<'_>,
) -> Option<BTreeMap<String, Option<String>>> {
    if is_any_broken(file, "name", findings) {
        return None;
    }
    let declared =
        file.accounts.iter().filter_map(|entry| Some((entry.name.clone()?, entry.provider.clone())));
    let embedded = known.providers.iter().filter(|_| file.sandbox.embed);
    let embedded = embedded.map(|provider| (sandbox_account(provider), Some((*provider).to_owned())));
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
