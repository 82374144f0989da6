//! A submission whose answer was lost, among the recent clips.

use domain::{Call, Reply, Timestamp};
use serde_json::json;

use super::super::wire::{RecentVideo, RecentVideos, SIZE};
use super::videos::{self, VIDEOS};
use crate::lost::{self, Listed, Page, Sent};
use crate::refusal::puzzling;
use crate::{Found, LostSubmission};

/// The one page that is looked at.
const QUERY: &str = "limit=100&order=desc";

/// The call for the list.
pub(super) fn encode() -> Call {
    Call::get(VIDEOS).with_query(QUERY)
}

/// What the list shows.
pub(super) fn decode(lost: &LostSubmission<'_>, reply: &Reply) -> Found {
    let list: RecentVideos = serde_json::from_slice(&reply.body).unwrap_or_default();
    let Some(videos) = list.data.filter(|_| reply.status.is_success()) else {
        return Found::Unclear { reason: puzzling("not a list of videos", reply) };
    };
    let listed_videos = lost::entries::<RecentVideo>(videos);
    let page = Page { tasks: listed_videos.filter_map(listed).collect(), has_more: list.has_more != false };
    let fields = lost::body_of(lost, |context| videos::encode(lost.request, context.upstream_model));
    lost::search(lost, &Sent { model: lost.upstream_model, fields }, &page, reply)
}

/// A clip of its own; `None` for one that was made of another.
fn listed(video: RecentVideo) -> Option<Listed> {
    let made_at = video.created_at.and_then(|secs| secs.checked_mul(1000)).map(Timestamp::from_millis);
    let RecentVideo { id, model, prompt, remixed_from_video_id, seconds, size, .. } = video;
    let repeated = json!({ "seconds": seconds, SIZE: size });
    remixed_from_video_id.is_empty().then_some(Listed { id, model, prompt, made_at, repeated })
}
