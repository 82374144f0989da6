//! A request, said by an API's provider face and understood by the same API's dialect face, is the same request: for
//! every API with both, every model and every field of the domain. What an API cannot say is listed in `losses.toml`,
//! and nothing else gets lost.

mod fates;
mod losses;
#[path = "../shared/paths.rs"]
mod paths;
mod requests;
mod ways;

use std::collections::{BTreeMap, BTreeSet};

use domain::GenerationRequest;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use crate::fates::fates;
use crate::losses::{EVERY, Losses, Row};
use crate::requests::{any_changes, basis, changed, sample_changes, sample_pairs};
use crate::ways::{Way, ways};

/// What was seen: of each field of each API, with a request that showed it; and what must not be.
#[derive(Default)]
struct Seen {
    fates: BTreeMap<Row, String>,
    complaints: BTreeMap<String, String>,
}

impl Seen {
    fn look(&mut self, way: &Way, request: &GenerationRequest) {
        let example = || format!("{}: {}", way.upstream_model, json!(request));
        match fates(way, request) {
            Ok(fates) => {
                for (field, fate) in fates {
                    self.fates.entry((way.api.to_owned(), field, fate)).or_insert_with(example);
                }
            }
            Err(complaint) => {
                self.complaints.entry(format!("{} {complaint}", way.api)).or_insert_with(example);
            }
        }
    }

    /// What is not as it is listed.
    fn findings(&self, listed: &BTreeSet<Row>) -> Vec<String> {
        let complaints =
            self.complaints.iter().map(|(complaint, example)| format!("{complaint}\n    {example}"));
        let unlisted = self.fates.iter().filter(|(row, _)| !listed.contains(*row));
        let unlisted = unlisted.map(|((api, field, fate), example)| {
            format!("not listed: [{api}] {field} is {fate}\n    {example}")
        });
        let stale = listed.iter().filter(|row| !self.fates.contains_key(*row));
        let stale = stale.map(|(api, field, fate)| format!("listed, but not so: [{api}] {field} is {fate}"));
        complaints.chain(unlisted).chain(stale).collect()
    }
}

#[test]
fn an_api_loses_exactly_what_is_listed() {
    let (mut seen, changes, pairs) = (Seen::default(), sample_changes(), sample_pairs());
    for way in ways() {
        for plain in way.requests() {
            // Nothing else can be wished of a larger one.
            for resolution in ["1080p", "4k"] {
                let changes = [("basis", basis("upscale")), ("resolution", json!(resolution))];
                seen.look(&way, &changed(way.api, &plain, changes));
            }
            for pair in &pairs {
                seen.look(&way, &changed(way.api, &plain, pair.clone()));
            }
        }
        for request in way.requests().iter().flat_map(|plain| company(&way, plain)) {
            seen.look(&way, &request);
            for change in &changes {
                seen.look(&way, &changed(way.api, &request, [change.clone()]));
            }
        }
    }
    let findings = seen.findings(&Losses::read().rows(&apis()));
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

#[test]
fn the_list_gives_reasons_and_knows_its_apis() {
    let apis = apis();
    for (api, reasons) in Losses::read().reasons() {
        assert!(api == EVERY || apis.contains(api), "{api} has not both faces");
        for (field, why) in reasons {
            assert!(why.len() > 10, "[{api}] {field}: why?");
        }
    }
}

/// A plain request, alone and with each thing to start from that may change how an API says the rest.
fn company(way: &Way, plain: &GenerationRequest) -> Vec<GenerationRequest> {
    let mut changes = Vec::from(["first_frame", "reference", "video"].map(|role| {
        vec![("images", json!([{ "role": role, "media": { "url": "https://example.com/company" } }]))]
    }));
    changes.push(vec![("basis", basis("remix"))]);
    let requests = changes.into_iter().map(|changes| changed(way.api, plain, changes));
    let possible = requests.filter(|request| way.say(request).is_ok());
    [plain.clone()].into_iter().chain(possible).collect()
}

/// The APIs that have both faces.
fn apis() -> BTreeSet<String> {
    ways().iter().map(|way| way.api.to_owned()).collect()
}

proptest! {
    #[test]
    fn what_is_not_listed_survives_in_any_company(
        way in any::<Index>(), request in any::<Index>(), changes in any_changes(),
    ) {
        let (ways, listed) = (ways(), Losses::read().rows(&apis()));
        let way = way.get(&ways);
        let requests = way.requests();
        // A model that makes nothing with a prompt alone is not for this test.
        prop_assume!(!requests.is_empty());
        let request = changed(way.api, request.get(&requests), changes);
        let fates = fates(way, &request).map_err(|complaint| TestCaseError::fail(format!("{} {complaint}", way.api)))?;
        for (field, fate) in fates {
            let row = (way.api.to_owned(), field, fate);
            prop_assert!(listed.contains(&row), "not listed: {:?}", row);
        }
    }
}
