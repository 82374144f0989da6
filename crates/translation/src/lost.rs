//! Which tasks in an upstream's list may be a submission whose answer was lost.
//!
//! A list has no name of ours in it, so a task is told by its model, its prompt, the moment at which it was made, and whatever
//! else of the submission the list repeats. What does not show the first three, or does not reach back to the submission, says
//! nothing: a wrong task is worse than none.

use std::time::Duration;

use domain::{Call, Reply, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::refusal::puzzling;
use crate::{Found, LostSubmission, SubmitContext, Unsupported, web};

/// How far an upstream's clock may be behind ours; covers moments that are written in whole seconds, too.
const SKEW_MS: i64 = 60_000;
/// How long after its intent a submission can be taken. Longer than any answer is waited for; what is made later is another's.
const TAKEN_WITHIN: Duration = Duration::from_secs(5 * 60);
/// Stands for our address where it is not known.
const SOME_URL: &str = "https://gateway.invalid";

/// What was submitted, in the list's words.
pub(crate) struct Sent<'a> {
    /// The list's name of the model.
    pub(crate) model: &'a str,
    /// What the list may repeat.
    pub(crate) fields: Value,
}

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
    /// What the list repeats of the submission, under the names that it had there.
    pub(crate) repeated: Value,
}

/// The entries of a list; one that is no object shows nothing.
pub(crate) fn entries<T: DeserializeOwned + Default>(values: Vec<Value>) -> impl Iterator<Item = T> {
    let entry = |value: Value| value.is_object().then(|| T::deserialize(value).ok()).flatten();
    values.into_iter().map(move |value| entry(value).unwrap_or_default())
}

/// The JSON body that the submission was made of; null if it was none.
pub(crate) fn body_of(
    lost: &LostSubmission<'_>,
    encode: impl FnOnce(&SubmitContext<'_>) -> Result<Call, Unsupported>,
) -> Value {
    let call = encode(&SubmitContext::new(lost.upstream_model, SOME_URL));
    call.ok().and_then(|call| serde_json::from_slice(&call.body).ok()).unwrap_or_default()
}

/// The moment from which on a task may be the lost one.
pub(crate) fn since(lost: &LostSubmission<'_>) -> Timestamp {
    Timestamp::from_millis(lost.intended_at.as_millis().saturating_sub(SKEW_MS))
}

/// What a page shows.
pub(crate) fn search(lost: &LostSubmission<'_>, sent: &Sent<'_>, page: &Page, reply: &Reply) -> Found {
    let unclear = |what: &str| Found::Unclear { reason: puzzling(what, reply) };
    let since = since(lost);
    if page.has_more && !reaches_back(&page.tasks, since) {
        return unclear("more tasks were made since than a page shows");
    }
    let until = lost.intended_at.plus(TAKEN_WITHIN);
    let may_be = |task: &&Listed| {
        task.made_at.is_none_or(|at| since <= at && at <= until)
            && (task.model.is_empty() || task.model == sent.model)
            && (task.prompt.is_empty() || task.prompt == lost.request.prompt)
            && agrees(&sent.fields, &task.repeated)
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

/// Whether what is repeated is what was sent, as far as it is repeated. Addresses are often replaced.
fn agrees(sent: &Value, repeated: &Value) -> bool {
    match (sent, repeated) {
        (Value::Object(sent), Value::Object(repeated)) => sent
            .iter()
            .filter_map(|(name, value)| Some((value, repeated.get(name)?)))
            .all(|(sent, repeated)| agrees(sent, repeated)),
        (Value::Array(sent), Value::Array(repeated)) => {
            sent.len() == repeated.len() && sent.iter().zip(repeated).all(|(sent, one)| agrees(sent, one))
        }
        (_, Value::Null) => true,
        (Value::String(sent), _) if sent.contains("://") => true,
        (Value::String(text), Value::Number(number)) | (Value::Number(number), Value::String(text)) => {
            number.to_string() == *text
        }
        (sent, repeated) => sent == repeated,
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
    use serde_json::json;

    use super::*;

    const INTENDED_AT: i64 = 1_000_000;

    fn listed(id: &str, made_at: i64) -> Listed {
        Listed {
            id: id.into(),
            model: "m".into(),
            prompt: "a cat".into(),
            made_at: Some(Timestamp::from_millis(made_at)),
            repeated: Value::Null,
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
        let fields = json!({ "seed": 7, "image": "https://gateway.invalid/a", "frames": [1, 2] });
        search(&lost, &Sent { model: "m", fields }, &Page { tasks, has_more }, &reply)
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
            listed("too_late", INTENDED_AT + 300_001),
            Listed { model: "other".into(), ..listed("another_model", INTENDED_AT) },
            Listed { prompt: "a dog".into(), ..listed("another_prompt", INTENDED_AT) },
            listed("by_a_clock_that_is_behind", INTENDED_AT - SKEW_MS),
            listed("earlier", INTENDED_AT - SKEW_MS - 1),
        ];
        assert_eq!(ids(found(tasks, false)), ["later", "by_a_clock_that_is_behind"]);
        assert_eq!(ids(found(Vec::new(), false)), [""; 0]);
    }

    #[test]
    fn what_a_list_repeats_must_be_what_was_sent() {
        let is_found = |repeated: Value| {
            let task = Listed { repeated: repeated.clone(), ..listed("a", INTENDED_AT) };
            ids(found(vec![task], false)).len() == 1
        };
        for repeated in [
            json!(null),
            json!({}),
            json!({ "seed": 7, "other": 1 }),
            json!({ "seed": "7", "image": "https://elsewhere.example/b", "frames": [1, 2] }),
            json!({ "seed": null }),
        ] {
            assert!(is_found(repeated.clone()), "{repeated}");
        }
        for repeated in [json!({ "seed": 8 }), json!({ "frames": [1] }), json!({ "frames": [2, 1] })] {
            assert!(!is_found(repeated.clone()), "{repeated}");
        }
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
