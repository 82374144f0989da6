//! Google's names of its Veo models, and the public names that they stand for here.

use domain::{DraftInput, Role};

/// A model, and the public models that do what it does: there, what goes in decides between these.
struct Known {
    /// The name without its last part, which says the version: `-001`, `-preview`.
    stem: &'static str,
    /// With nothing but text.
    plain: &'static str,
    /// With a first frame.
    frames: &'static str,
    /// With reference images.
    references: &'static str,
}

const fn same(stem: &'static str, public: &'static str) -> Known {
    Known { stem, plain: public, frames: public, references: public }
}

static KNOWN: &[Known] = &[
    Known { stem: "veo-3.1-generate", plain: "veo3.1", frames: "veo3.1", references: "veo3.1-components" },
    same("veo-3.1-fast-generate", "veo3.1-fast"),
    same("veo-3.1-lite-generate", "veo3.1-lite"),
    Known { stem: "veo-3.0-generate", plain: "veo3", frames: "veo3-pro-frames", references: "veo3" },
    Known {
        stem: "veo-3.0-fast-generate",
        plain: "veo3-fast",
        frames: "veo3-fast-frames",
        references: "veo3-fast",
    },
    Known { stem: "veo-2.0-generate", plain: "veo2", frames: "veo2-fast-frames", references: "veo2" },
];

/// The public model that a client means: one that Google does not have is called here as it is there.
pub(crate) fn public_of(name: &str, inputs: &[DraftInput]) -> String {
    let known = KNOWN.iter().find(|known| {
        name.strip_prefix(known.stem).is_some_and(|version| version.is_empty() || version.starts_with('-'))
    });
    let Some(known) = known else { return name.to_owned() };
    let has = |role| inputs.iter().any(|input| input.role == Some(role));
    let public = match () {
        () if has(Role::Reference) => known.references,
        () if has(Role::FirstFrame) => known.frames,
        () => known.plain,
    };
    public.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_of_a_model_is_the_same_public_one() {
        for (name, public) in [
            ("veo-3.1-generate-preview", "veo3.1"),
            ("veo-3.1-generate-001", "veo3.1"),
            ("veo-3.1-fast-generate-preview", "veo3.1-fast"),
            ("veo-3.1-lite-generate-001", "veo3.1-lite"),
            ("veo-3.0-generate-001", "veo3"),
            ("veo-3.0-fast-generate-001", "veo3-fast"),
            ("veo-2.0-generate-001", "veo2"),
            ("veo3.1-pro", "veo3.1-pro"),
            ("veo-3.1-generated", "veo-3.1-generated"),
            ("", ""),
        ] {
            assert_eq!(public_of(name, &[]), public);
        }
    }
}
