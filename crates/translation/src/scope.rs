//! What a model makes, for APIs that say it neither in a path nor in a body.

use domain::Scope;

/// Parts of the names of models that make pictures, and of those that make sound; all others make clips.
const WORDS: &[(&str, Scope)] = &[
    ("image", Scope::Images),
    ("banana", Scope::Images),
    ("suno", Scope::Audio),
    ("tts", Scope::Audio),
    ("speech", Scope::Audio),
    ("music", Scope::Audio),
];

/// The scope that a model's name speaks of. A wrong guess costs nothing: the catalogue knows the model, and refuses it
/// by name for the wrong scope.
pub(crate) fn of_model(name: &str) -> Scope {
    let name = name.to_ascii_lowercase();
    // `image-to-video` is the name of a way, not of a result.
    if name.contains("video") {
        return Scope::Videos;
    }
    WORDS.iter().find(|(word, _)| name.contains(word)).map_or(Scope::Videos, |(_, scope)| *scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_models_make() {
        for (name, scope) in [
            ("veo3.1-fast", Scope::Videos),
            ("kling/image-to-video", Scope::Videos),
            ("some-new-model", Scope::Videos),
            ("google/nano-banana", Scope::Images),
            ("gpt-image-1", Scope::Images),
            ("suno-v4", Scope::Audio),
            ("minimax-tts", Scope::Audio),
        ] {
            assert_eq!(of_model(name), scope, "{name}");
        }
    }
}
