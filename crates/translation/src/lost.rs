//! Which tasks in an upstream's list may be a submission whose answer was lost.
//!
//! A list has no name of ours in it, so a task is told by its model, its prompt and the moment at which it was made. What
//! does not show all three, or does not reach back to the submission, says nothing: a wrong task is worse than none.

use domain::{Reply, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::refusal::puzzling;
use crate::{Found, LostSubmission, web};

/// How far an upstream's clock may be behind ours; covers moments that are written in whole seconds, too.
const SKEW_MS: i64 = 60_000;

/// A page of an upstream's list.
pub(crate) struct Page {
    pub(crate) tasks: Vec<Listed>,
    /// Whether more follow.
    pub(crate) has_more: bool,
}

/// One task of the list. A text is empty and a moment absent where the list does not show it.
pub(crate) struct Listed {
    pub(crate) id: String,
    pub(crate) model: String,
    pub(crate) prompt: String,
    pub(crate) made_at: Option<Timestamp>,
}

/// The entries of a list; one that is no object shows nothing.
pub(crate) fn entries<T: DeserializeOwned + Default>(values: Vec<Value>) -> impl Iterator<Item = T> {
    let entry = |value: Value| value.is_object().then(|| T::deserialize(value).ok()).flatten();
    values.into_iter().map(move |value| entry(value).unwrap_or_default())
}

/// The moment from which on a task may be the lost one.
pub(crate) fn since(lost: &LostSubmission<'_>) -> Timestamp {
    Timestamp::from_millis(lost.intended_at.as_millis().saturating_sub(SKEW_MS))
}

/// What a page shows, where `model` is the list's name of the lost submission's model.
pub(crate) fn search(lost: &LostSubmission<'_>, model: &str, page: &Page, reply: &Reply) -> Found {
    let unclear = |what: &str| Found::Unclear { reason: puzzling(what, reply) };
    let since = since(lost);
    if page.has_more && !reaches_back(&page.tasks, since) {
        return unclear("more tasks were made since than a page shows");
    }
    let may_be = |task: &&Listed| {
        task.made_at.is_none_or(|at| at >= since)
            && (task.model.is_empty() || task.model == model)
            && (task.prompt.is_empty() || task.prompt == lost.request.prompt)
    };
    let candidates: Vec<&Listed> = page.tasks.iter().filter(may_be).collect();
    let shows_all =
        |task: &&Listed| task.made_at.is_some() && !task.model.is_empty() && !task.prompt.is_empty();
    if !candidates.iter().all(shows_all) {
        return unclear("a task that may be it does not show its model, prompt and moment");
    }
    match candidates.iter().map(|task| web::handle(&task.id)).collect() {
        Ok(ids) => Found::Tasks(ids),
        Err(problem) => unclear(&problem),
    }
}

/// Whether a page that is followed by others holds all tasks since then: if the newest are first, and one is older.
fn reaches_back(tasks: &[Listed], since: Timestamp) -> bool {
    tasks.is_sorted_by(|newer, older| newer.made_at >= older.made_at)
        && tasks.last().and_then(|task| task.made_at).is_some_and(|at| at < since)
}

#[cfg(test)]
mod tests {
    use domain::{GenerationRequest, Scope};
    use http::{HeaderMap, StatusCode};

    use super::*;

    const INTENDED_AT: i64 = 1_000_000;

    fn listed(id: &str, made_at: i64) -> Listed {
        Listed {
            id: id.into(),
            model: "m".into(),
            prompt: "a cat".into(),
            made_at: Some(Timestamp::from_millis(made_at)),
        }
    }

    fn found(tasks: Vec<Listed>, has_more: bool) -> Found {
        let request = GenerationRequest::new(Scope::Videos, "public", "a cat");
        let lost = LostSubmission {
            attempt_key: "t.1",
            upstream_model: "m",
            request: &request,
            intended_at: Timestamp::from_millis(INTENDED_AT),
        };
        let reply = Reply { status: StatusCode::OK, headers: HeaderMap::new(), body: "{}".into() };
        search(&lost, "m", &Page { tasks, has_more }, &reply)
    }

    fn ids(found: Found) -> Vec<String> {
        match found {
            Found::Tasks(ids) => ids,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn model_prompt_and_moment_must_all_fit() {
        let tasks = vec![
            listed("later", INTENDED_AT + 5_000),
            Listed { model: "other".into(), ..listed("another_model", INTENDED_AT) },
            Listed { prompt: "a dog".into(), ..listed("another_prompt", INTENDED_AT) },
            listed("by_a_clock_that_is_behind", INTENDED_AT - SKEW_MS),
            listed("earlier", INTENDED_AT - SKEW_MS - 1),
        ];
        assert_eq!(ids(found(tasks, false)), ["later", "by_a_clock_that_is_behind"]);
        assert_eq!(ids(found(Vec::new(), false)), [""; 0]);
    }

    #[test]
    fn a_task_that_hides_what_it_is_leaves_the_matter_open() {
        let hidden = [
            Listed { model: String::new(), ..listed("a", INTENDED_AT) },
            Listed { prompt: String::new(), ..listed("a", INTENDED_AT) },
            Listed { made_at: None, ..listed("a", INTENDED_AT) },
            Listed { id: "..".into(), ..listed("a", INTENDED_AT) },
        ];
        for task in hidden {
            let both = vec![listed("b", INTENDED_AT), task];
            assert!(matches!(found(both, false), Found::Unclear { .. }));
        }
        let elsewhere = Listed { prompt: String::new(), model: "other".into(), ..listed("a", INTENDED_AT) };
        assert_eq!(ids(found(vec![listed("b", INTENDED_AT), elsewhere], false)), ["b"]);
    }

    #[test]
    fn a_page_must_reach_back_to_the_submission() {
        let recent = || listed("b", INTENDED_AT);
        let old = || listed("a", INTENDED_AT - SKEW_MS - 1);
        assert!(matches!(found(vec![recent()], true), Found::Unclear { .. }));
        assert!(matches!(found(Vec::new(), true), Found::Unclear { .. }));
        assert_eq!(ids(found(vec![recent(), old()], true)), ["b"]);
        let out_of_order = vec![old(), recent(), old()];
        assert!(matches!(found(out_of_order, true), Found::Unclear { .. }));
    }
}
