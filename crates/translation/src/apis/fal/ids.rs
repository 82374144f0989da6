//! fal's ids of models, and the public names that they stand for here.

/// The owner of the models that clients ask us for.
pub(super) const OWNER: &str = "fal-ai";

/// Last parts of an id that say what goes in; the public model takes it as it comes.
const WAYS: &[&str] = &[
    "text-to-video",
    "image-to-video",
    "first-last-frame-to-video",
    "text-to-image",
    "image-to-image",
    "edit",
    "edit-image",
    "text-to-speech",
];
/// The last part of an id whose images are references, and how the public names say the same.
const REFERENCES: (&str, &str) = ("reference-to-video", "-components");
/// Ids with an image whose public model has a name of its own.
const FRAMES: &[(&str, &str)] =
    &[("veo3/image-to-video", "veo3-pro-frames"), ("veo3/fast/image-to-video", "veo3-fast-frames")];

/// The public model of an id without its owner. `veo3.1/fast/image-to-video` is `veo3.1-fast`.
pub(super) fn public_model(id: &str) -> String {
    if let Some((_, name)) = FRAMES.iter().find(|(known, _)| *known == id) {
        return (*name).to_owned();
    }
    let (model, ending) = match id.rsplit_once('/') {
        Some((model, way)) if WAYS.contains(&way) => (model, ""),
        Some((model, way)) if way == REFERENCES.0 => (model, REFERENCES.1),
        _ => (id, ""),
    };
    format!("{}{ending}", model.replace('/', "-"))
}

/// The app in the paths of a request for the public `model`. Any would be found; this is the one that fal has.
pub(super) fn app(model: &str) -> &str {
    match model.split_once('-') {
        Some((app, _)) if app.starts_with("veo") => app,
        _ => model,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stand_for_public_models() {
        for (id, name, app_name) in [
            ("veo3", "veo3", "veo3"),
            ("veo3/fast", "veo3-fast", "veo3"),
            ("veo3/image-to-video", "veo3-pro-frames", "veo3"),
            ("veo3/fast/image-to-video", "veo3-fast-frames", "veo3"),
            ("veo3.1", "veo3.1", "veo3.1"),
            ("veo3.1/fast", "veo3.1-fast", "veo3.1"),
            ("veo3.1/image-to-video", "veo3.1", "veo3.1"),
            ("veo3.1/lite/first-last-frame-to-video", "veo3.1-lite", "veo3.1"),
            ("veo3.1/reference-to-video", "veo3.1-components", "veo3.1"),
            ("kling-video/v2.5/text-to-video", "kling-video-v2.5", "kling-video-v2.5"),
        ] {
            assert_eq!(public_model(id), name, "{id}");
            assert_eq!(app(name), app_name, "{name}");
        }
        assert_eq!(public_model("nano-banana/edit"), "nano-banana");
        assert_eq!(public_model("minimax/speech-02-hd"), "minimax-speech-02-hd");
    }
}
