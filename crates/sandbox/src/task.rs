//! An accepted task, and how it stands at a moment. Pure: the moment comes in, so a restart changes nothing.

use serde::{Deserialize, Serialize};

use crate::faults::Fate;

/// What a task makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Video,
    Image,
    Audio,
}

impl Kind {
    /// The ending of its file's name, without the dot.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Video => "mp4",
            Self::Image => "png",
            Self::Audio => "wav",
        }
    }

    /// Its media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Video => "video/mp4",
            Self::Image => "image/png",
            Self::Audio => "audio/wav",
        }
    }
}

/// What an API read out of a submit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) kind: Kind,
    pub(crate) model: String,
    pub(crate) prompt: String,
    /// `16:9`, or a word that means "decide yourself".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) aspect_ratio: Option<String>,
    /// `1024x1024`, or a word that we do not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<String>,
}

/// The caller's own name for an order, by which one is told from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OwnName {
    pub(crate) text: String,
    /// Of the body that came with it, in hexadecimal digits.
    pub(crate) body_sha256: String,
}

/// An accepted task: what was ordered and what was decided for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) id: String,
    /// The name of the API that it came in by.
    pub(crate) api: String,
    #[serde(flatten)]
    pub(crate) order: Order,
    /// What the caller calls it, if its API has such names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) own_name: Option<OwnName>,
    /// How many results it has.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub(crate) count: u32,
    /// The id of the earlier task that it is made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) made_from: Option<String>,
    /// Milliseconds since 1970.
    pub(crate) accepted_at_ms: u64,
    pub(crate) fate: Fate,
    /// From acceptance to the end.
    pub(crate) generation_ms: u64,
}

/// How a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Waiting,
    /// 1 to 99.
    Running {
        percent: u8,
    },
    Succeeded,
    Failed,
    Refused,
}

impl Task {
    /// How it stands at `now_ms`. It waits for a tenth of its time; a task that never finishes creeps up to 99 %.
    pub(crate) fn progress(&self, now_ms: u64) -> Progress {
        let elapsed_ms = now_ms.saturating_sub(self.accepted_at_ms);
        match self.fate {
            _ if now_ms < self.started_at_ms() => Progress::Waiting,
            Fate::Succeed if elapsed_ms >= self.generation_ms => Progress::Succeeded,
            Fate::Fail if elapsed_ms >= self.generation_ms => Progress::Failed,
            Fate::Policy if elapsed_ms >= self.generation_ms => Progress::Refused,
            _ => {
                let percent = elapsed_ms.saturating_mul(100) / self.generation_ms.max(1);
                Progress::Running { percent: u8::try_from(percent.clamp(1, 99)).expect("at most 99") }
            }
        }
    }

    /// When it began to run; milliseconds since 1970.
    pub(crate) fn started_at_ms(&self) -> u64 {
        self.accepted_at_ms.saturating_add(self.generation_ms / 10)
    }

    /// Whether it ends by itself.
    pub(crate) fn ends(&self) -> bool {
        self.fate != Fate::Never
    }

    /// When it ends, if it ends; milliseconds since 1970.
    pub(crate) fn finished_at_ms(&self) -> u64 {
        self.accepted_at_ms.saturating_add(self.generation_ms)
    }

    /// Whether it has ended at `now_ms`, well or badly.
    pub(crate) fn has_ended(&self, now_ms: u64) -> bool {
        !matches!(self.progress(now_ms), Progress::Waiting | Progress::Running { .. })
    }

    /// What is made of its result afterwards, as a task that takes half as long again.
    pub(crate) fn follow_up(&self) -> Self {
        let generation_ms = self.generation_ms.saturating_add(self.generation_ms / 2);
        Self { generation_ms, ..self.clone() }
    }

    /// The path of its first result on this server.
    pub(crate) fn media_path(&self) -> String {
        self.nth_media_path(0)
    }

    /// The path of its `nth` result, from 0.
    pub(crate) fn nth_media_path(&self, nth: u32) -> String {
        let extension = self.order.kind.extension();
        match nth {
            0 => format!("/media/{}.{extension}", self.id),
            nth => format!("/media/{}{NTH}{nth}.{extension}", self.id),
        }
    }
}

/// Stands between a task's id and the number of a result that is not its first.
pub(crate) const NTH: char = '~';

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_one(count: &u32) -> bool {
    *count == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(fate: Fate) -> Task {
        let order = Order {
            kind: Kind::Video,
            model: "veo3".into(),
            prompt: "a cat".into(),
            aspect_ratio: None,
            size: None,
        };
        Task {
            id: "t".into(),
            api: "kie".into(),
            order,
            own_name: None,
            count: 1,
            made_from: None,
            accepted_at_ms: 1_000,
            fate,
            generation_ms: 2_000,
        }
    }

    #[test]
    fn a_task_waits_runs_and_ends() {
        let at = |now_ms| task(Fate::Succeed).progress(now_ms);
        assert_eq!(at(1_000), Progress::Waiting);
        assert_eq!(at(1_200), Progress::Running { percent: 10 });
        assert_eq!(at(2_000), Progress::Running { percent: 50 });
        assert_eq!(at(2_999), Progress::Running { percent: 99 });
        assert_eq!(at(3_000), Progress::Succeeded);
    }

    #[test]
    fn its_fate_decides_the_end() {
        assert_eq!(task(Fate::Fail).progress(3_000), Progress::Failed);
        assert_eq!(task(Fate::Policy).progress(3_000), Progress::Refused);
        assert_eq!(task(Fate::Never).progress(u64::MAX), Progress::Running { percent: 99 });
    }

    #[test]
    fn a_clock_that_went_back_does_no_harm() {
        assert_eq!(task(Fate::Succeed).progress(0), Progress::Waiting);
    }

    #[test]
    fn a_task_without_duration_is_done_at_once() {
        let mut task = task(Fate::Succeed);
        task.generation_ms = 0;
        assert_eq!(task.progress(1_000), Progress::Succeeded);
    }
}
