//! What Kling's capability map says of its models: which ways each knows, and what each can do.

use crate::Unsupported;

/// A model of Kling's.
pub(super) struct Model {
    name: &'static str,
    /// Whether words alone are enough.
    pub(super) from_words: bool,
    /// How many images of things and people it takes, besides those that a clip begins and ends with.
    pub(super) references_max: usize,
    /// The ways it knows, the cheapest first.
    modes: &'static [Mode],
    /// Whether a clip that has a last frame has no sound.
    silent_with_last_frame: bool,
    /// The lengths of its clips in seconds; none if they are not restricted.
    pub(super) durations_s: &'static [u32],
}

/// A way to make a clip.
pub(super) struct Mode {
    /// As it stands in `mode`; none if the model has one only, which is not named.
    pub(super) name: Option<&'static str>,
    resolution: &'static str,
    last_frame: bool,
    /// Whether clips can have sound.
    pub(super) sound: bool,
}

/// What a request wants that depends on the way.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) resolution: Option<&'a str>,
    pub(super) last_frame: bool,
    pub(super) sound: bool,
}

const STD: Mode = Mode { name: Some("std"), resolution: "720p", last_frame: false, sound: false };
const PRO: Mode = Mode { name: Some("pro"), resolution: "1080p", last_frame: true, sound: false };
const STD_FULL: Mode = Mode { last_frame: true, sound: true, ..STD };
const PRO_FULL: Mode = Mode { sound: true, ..PRO };
const UHD: Mode = Mode { name: Some("4k"), resolution: "4k", ..PRO_FULL };
const ONLY_720P: Mode = Mode { name: None, resolution: "720p", last_frame: false, sound: false };
const ONLY_1080P: Mode = Mode { resolution: "1080p", ..ONLY_720P };

const SHORT_OR_LONG_S: &[u32] = &[5, 10];
const THIRD_GENERATION_S: &[u32] = &[3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Any model that is not in the map: an operator's own choice, about which Kling has the last word.
const OTHER: Model = Model {
    name: "",
    from_words: true,
    references_max: 4,
    modes: &[STD_FULL, PRO_FULL, UHD],
    silent_with_last_frame: false,
    durations_s: &[],
};

const MODELS: &[Model] = &[
    Model {
        name: "kling-v1-6",
        references_max: 4,
        modes: &[STD, PRO],
        durations_s: SHORT_OR_LONG_S,
        ..OTHER
    },
    Model {
        name: "kling-v2-master",
        references_max: 0,
        modes: &[ONLY_720P],
        durations_s: SHORT_OR_LONG_S,
        ..OTHER
    },
    Model {
        name: "kling-v2-1",
        from_words: false,
        references_max: 0,
        modes: &[STD, PRO],
        durations_s: SHORT_OR_LONG_S,
        ..OTHER
    },
    Model {
        name: "kling-v2-1-master",
        references_max: 0,
        modes: &[ONLY_1080P],
        durations_s: SHORT_OR_LONG_S,
        ..OTHER
    },
    Model {
        name: "kling-v2-5-turbo",
        references_max: 0,
        modes: &[STD, PRO],
        durations_s: SHORT_OR_LONG_S,
        ..OTHER
    },
    Model {
        name: "kling-v2-6",
        references_max: 0,
        modes: &[STD, PRO_FULL],
        silent_with_last_frame: true,
        durations_s: SHORT_OR_LONG_S,
        ..OTHER
    },
    Model { name: "kling-v3", references_max: 0, durations_s: THIRD_GENERATION_S, ..OTHER },
];

/// The model of that name.
pub(super) fn model(name: &str) -> &'static Model {
    MODELS.iter().find(|model| model.name == name).unwrap_or(&OTHER)
}

impl Model {
    /// The cheapest way that gives what is `wanted`.
    pub(super) fn mode(&self, wanted: Wanted<'_>) -> Result<&'static Mode, Unsupported> {
        let refuse = |field, reason: String| Err(Unsupported { field, reason });
        let mut modes: Vec<&'static Mode> = self.modes.iter().collect();
        modes.retain(|mode| wanted.resolution.is_none_or(|resolution| resolution == mode.resolution));
        if modes.is_empty() {
            let resolution = wanted.resolution.unwrap_or_default();
            let made: Vec<&str> = self.modes.iter().map(|mode| mode.resolution).collect();
            let reason = format!("{resolution}: this model of Kling's makes {}", made.join(", "));
            return refuse("resolution", reason);
        }
        modes.retain(|mode| !wanted.last_frame || mode.last_frame);
        if modes.is_empty() {
            return refuse("images", "this model of Kling's takes no last frame, or not so small".to_owned());
        }
        let silent = wanted.last_frame && self.silent_with_last_frame;
        modes.retain(|mode| !wanted.sound || (mode.sound && !silent));
        match modes.first() {
            Some(mode) => Ok(mode),
            None => refuse("audio", "this model of Kling's makes no sound, or not in this way".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(name: &str, resolution: Option<&str>, last_frame: bool, sound: bool) -> Result<String, String> {
        let wanted = Wanted { resolution, last_frame, sound };
        match model(name).mode(wanted) {
            Ok(mode) => Ok(format!("{} {}", mode.name.unwrap_or("-"), mode.resolution)),
            Err(unsupported) => Err(unsupported.field.to_owned()),
        }
    }

    #[test]
    fn the_cheapest_way_that_gives_what_is_wanted_is_taken() {
        for (name, resolution, last_frame, sound, expected) in [
            ("kling-v2-6", None, false, false, Ok("std 720p")),
            ("kling-v2-6", Some("1080p"), false, false, Ok("pro 1080p")),
            ("kling-v2-6", None, true, false, Ok("pro 1080p")),
            ("kling-v2-6", None, false, true, Ok("pro 1080p")),
            ("kling-v2-6", Some("720p"), false, true, Err("audio")),
            ("kling-v2-6", None, true, true, Err("audio")),
            ("kling-v2-6", Some("720p"), true, false, Err("images")),
            ("kling-v2-6", Some("4k"), false, false, Err("resolution")),
            ("kling-v2-5-turbo", None, false, true, Err("audio")),
            ("kling-v2-master", None, false, false, Ok("- 720p")),
            ("kling-v2-1-master", Some("720p"), false, false, Err("resolution")),
            ("kling-v2-1-master", None, true, false, Err("images")),
            ("kling-v3", Some("4k"), true, true, Ok("4k 4k")),
            ("kling-v3", None, true, true, Ok("std 720p")),
            ("some-later-model", Some("1080p"), true, true, Ok("pro 1080p")),
        ] {
            let found = chosen(name, resolution, last_frame, sound);
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(found, expected, "{name} {resolution:?} {last_frame} {sound}");
        }
    }
}
