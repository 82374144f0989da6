//! What an API keeps of its tasks: lists, and their end.

use http::Response;
use http::request::Parts;

use super::host_of;
use crate::apis::{Answer, Api, Listed, Listing, Place, Refusal};
use crate::desk::{Desk, now_ms};
use crate::reply::{self, Body};
use crate::task::Kind;

/// Some of the tasks of a kind.
pub(super) fn list(
    desk: &Desk,
    (api, kind): (&dyn Api, Kind),
    (head, place): (&Parts, &Place<'_>),
) -> Response<Body> {
    desk.counters.count_call(format!("{}.list", api.name()));
    let listing = || {
        desk.admit(api.key_in(&head.headers))?;
        page(desk, (api, kind), (head, place), &api.decode_list(head.uri.query().unwrap_or_default())?)
    };
    reply::json(&listing().unwrap_or_else(|refusal| api.encode_refusal(&refusal)))
}

fn page(
    desk: &Desk,
    (api, kind): (&dyn Api, Kind),
    (head, place): (&Parts, &Place<'_>),
    listing: &Listing,
) -> Result<Answer, Refusal> {
    let mut tasks = desk.tasks(api, kind);
    tasks.retain(|task| task.accepted_at_ms >= listing.since_ms);
    if !listing.ascending {
        tasks.reverse();
    }
    let first = match &listing.after {
        Some(after) => tasks.iter().position(|task| task.id == *after).ok_or(Refusal::UnknownTask)? + 1,
        None => 0,
    };
    let first = (first + listing.skip).min(tasks.len());
    let has_more = tasks.len() - first > listing.limit;
    let listed = tasks.into_iter().skip(first).take(listing.limit).map(|task| Listed {
        progress: task.progress(now_ms()),
        media_url: format!("http://{}{}", host_of(head), task.media_path()),
        task,
    });
    Ok(api.encode_list(&listed.collect::<Vec<_>>(), has_more, place))
}

/// Forgets a task that has ended.
pub(super) fn delete(desk: &Desk, api: &dyn Api, head: &Parts, id: &str) -> Response<Body> {
    desk.counters.count_call(format!("{}.delete", api.name()));
    let delete = || {
        desk.admit(api.key_in(&head.headers))?;
        let task = desk.task(api, id).ok_or(Refusal::UnknownTask)?;
        if !task.has_ended(now_ms()) {
            return Err(Refusal::Invalid(format!("{id} is still at work.")));
        }
        desk.delete_task(id);
        Ok(api.encode_deleted(&task))
    };
    reply::json(&delete().unwrap_or_else(|refusal| api.encode_refusal(&refusal)))
}
