//! A submission whose answer was lost, among the recent generations.

use domain::{Call, Reply};

use super::Luma;
use super::wire::{ListedTask, TaskList};
use crate::lost::{self, Listed, Page, Sent};
use crate::refusal::puzzling;
use crate::{Found, LostSubmission, Provider as _, rfc3339};

/// The one page that is looked at, as long as pages can be.
const QUERY: &str = "limit=100&offset=0";
/// The kind of task that this API's clips are of; it need not be said.
const VIDEO: &str = "video";

/// The call for the list at `path`. What makes more lines of a clip has no prompt to be told by.
pub(super) fn encode(path: &str, lost: &LostSubmission<'_>) -> Option<Call> {
    lost.request.basis.is_none().then(|| Call::get(path).with_query(QUERY))
}

/// What the list shows.
pub(super) fn decode(lost: &LostSubmission<'_>, reply: &Reply) -> Found {
    let list: TaskList = serde_json::from_slice(&reply.body).unwrap_or_default();
    let Some(tasks) = list.generations.filter(|_| reply.status.is_success()) else {
        return Found::Unclear { reason: puzzling("not a list of generations", reply) };
    };
    let tasks = lost::entries::<ListedTask>(tasks);
    let page = Page { tasks: tasks.filter_map(listed).collect(), has_more: list.has_more != false };
    let fields = lost::body_of(lost, |context| Luma.encode_submit(lost.request, context));
    lost::search(lost, &Sent { model: lost.upstream_model, fields }, &page, reply)
}

/// A clip; `None` for another kind of task.
fn listed(task: ListedTask) -> Option<Listed> {
    let ListedTask { id, model, generation_type, created_at, request } = task;
    let asked = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
    let is_clip =
        [generation_type, asked("generation_type")].iter().all(|kind| matches!(&**kind, "" | VIDEO));
    let model = if model.is_empty() { asked("model") } else { model };
    let (prompt, made_at) = (asked("prompt"), rfc3339::parse(&created_at));
    is_clip.then_some(Listed { id, model, prompt, made_at, repeated: request })
}
