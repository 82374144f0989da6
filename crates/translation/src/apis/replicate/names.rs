//! The names of models: `owner/name` on the wire, public names in the gateway.

use domain::{DraftInput, Role};

/// The owner of the models that the API does not have, under their public names.
pub(super) const OWNER: &str = "filmgate";

/// A model of the API, and the public models that do what it does: there, what goes in decides between these.
struct Known {
    name: &'static str,
    /// With nothing but text.
    plain: &'static str,
    /// With a first frame.
    frames: &'static str,
    /// With reference images.
    references: &'static str,
}

const fn same(name: &'static str, public: &'static str) -> Known {
    Known { name, plain: public, frames: public, references: public }
}

static KNOWN: &[Known] = &[
    Known { name: "google/veo-3.1", plain: "veo3.1", frames: "veo3.1", references: "veo3.1-components" },
    same("google/veo-3.1-fast", "veo3.1-fast"),
    same("google/veo-3.1-lite", "veo3.1-lite"),
    Known { name: "google/veo-3", plain: "veo3", frames: "veo3-pro-frames", references: "veo3" },
    Known {
        name: "google/veo-3-fast",
        plain: "veo3-fast",
        frames: "veo3-fast-frames",
        references: "veo3-fast",
    },
    Known { name: "google/veo-2", plain: "veo2", frames: "veo2-fast-frames", references: "veo2" },
];

/// The public model that a client means by `owner/name`, with or without `:version`: of one that we do not know,
/// the name alone.
pub(super) fn public_of(model: &str, inputs: &[DraftInput]) -> String {
    let name = model.split(':').next().unwrap_or_default();
    let Some(known) = KNOWN.iter().find(|known| known.name == name) else {
        let bare = name.rsplit('/').next().unwrap_or_default();
        return if bare.is_empty() { model.to_owned() } else { bare.to_owned() };
    };
    let has = |role| inputs.iter().any(|input| input.role == Some(role));
    let public = match () {
        () if has(Role::Reference) => known.references,
        () if has(Role::FirstFrame) => known.frames,
        () => known.plain,
    };
    public.to_owned()
}

/// `owner/name` of a public model.
pub(super) fn name_of(public: &str) -> String {
    let known = KNOWN.iter().find(|known| [known.plain, known.frames, known.references].contains(&public));
    known.map_or_else(|| format!("{OWNER}/{public}"), |known| known.name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_a_public_model_and_back() {
        for (name, public) in [
            ("google/veo-3.1", "veo3.1"),
            ("google/veo-3.1-fast", "veo3.1-fast"),
            ("google/veo-2", "veo2"),
            ("filmgate/veo3.1-pro", "veo3.1-pro"),
        ] {
            assert_eq!(public_of(name, &[]), public);
            assert_eq!(name_of(public), name);
        }
    }

    #[test]
    fn an_unknown_name_is_tried_as_a_public_one() {
        for (model, public) in [
            ("someone/some-model", "some-model"),
            ("someone/some-model:0546b4e9", "some-model"),
            ("veo3.1-fast", "veo3.1-fast"),
            ("google/veo-3:0546b4e9", "veo3"),
            ("google/", "google/"),
            (":", ":"),
        ] {
            assert_eq!(public_of(model, &[]), public);
        }
    }

    #[test]
    fn each_public_model_has_one_name() {
        for known in KNOWN {
            for public in [known.plain, known.frames, known.references] {
                assert_eq!(name_of(public), known.name, "{public}");
            }
        }
    }
}
