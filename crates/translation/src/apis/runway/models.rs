//! What each of Runway's models takes. Source: the types of Runway's Python client.

use domain::OutputSpec;

/// A model, as far as requests differ by it.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) name: &'static str,
    /// Sizes of clips from words alone; none if the model wants an image.
    pub(super) from_text: &'static [Size],
    /// Sizes of clips from images.
    pub(super) from_image: &'static [Size],
    /// Clip lengths in seconds.
    pub(super) durations_s: &'static [u32],
    /// The length where the client leaves it open; none if the API has one itself.
    pub(super) duration_s: Option<u32>,
    pub(super) last_frame: bool,
    pub(super) seed: bool,
    pub(super) negative_prompt: bool,
    pub(super) sound: Sound,
}

/// Whether a model's clips have sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sound {
    Never,
    Always,
    AsAsked,
}

/// The pixels of a clip as this API says them, with the shape and the lines that they stand for.
#[derive(Debug)]
pub(super) struct Size {
    pub(super) pixels: &'static str,
    aspect_ratio: &'static str,
    resolution: &'static str,
}

const fn size(pixels: &'static str, aspect_ratio: &'static str, resolution: &'static str) -> Size {
    Size { pixels, aspect_ratio, resolution }
}

const WIDE: Size = size("1280:720", "16:9", "720p");
const TALL: Size = size("720:1280", "9:16", "720p");
const BOTH: &[Size] = &[WIDE, TALL];
const GEN4: &[Size] = &[
    WIDE,
    TALL,
    size("1104:832", "4:3", "720p"),
    size("832:1104", "3:4", "720p"),
    size("960:960", "1:1", "720p"),
    size("1584:672", "21:9", "720p"),
];
const VEO: &[Size] = &[WIDE, TALL, size("1920:1080", "16:9", "1080p"), size("1080:1920", "9:16", "1080p")];

static MODELS: [Model; 5] = [
    Model {
        name: "gen4_turbo",
        from_text: &[],
        from_image: GEN4,
        durations_s: &[2, 3, 4, 5, 6, 7, 8, 9, 10],
        duration_s: None,
        last_frame: false,
        seed: true,
        negative_prompt: false,
        sound: Sound::Never,
    },
    Model {
        name: "gen4.5",
        from_text: BOTH,
        from_image: GEN4,
        durations_s: &[2, 3, 4, 5, 6, 7, 8, 9, 10],
        duration_s: Some(5),
        last_frame: false,
        seed: true,
        negative_prompt: false,
        sound: Sound::Never,
    },
    Model {
        name: "veo3",
        from_text: VEO,
        from_image: VEO,
        durations_s: &[8],
        duration_s: Some(8),
        last_frame: false,
        seed: false,
        negative_prompt: true,
        sound: Sound::Always,
    },
    veo31("veo3.1"),
    veo31("veo3.1_fast"),
];

const fn veo31(name: &'static str) -> Model {
    Model {
        name,
        from_text: VEO,
        from_image: VEO,
        durations_s: &[4, 6, 8],
        duration_s: None,
        last_frame: true,
        seed: false,
        negative_prompt: true,
        sound: Sound::AsAsked,
    }
}

/// The model of that name.
pub(super) fn model(name: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.name == name)
}

/// The first of `sizes` that is what `output` asks for; what it leaves open any size meets. `resolution` goes before
/// that of `output`.
pub(super) fn find<'a>(sizes: &'a [Size], output: &OutputSpec, resolution: Option<&str>) -> Option<&'a Size> {
    let asked = output.aspect_ratio.as_deref().filter(|ratio| !ratio.eq_ignore_ascii_case("auto"));
    let pixels = output.size.as_deref().map(|size| size.replace(['x', 'X', '*'], ":"));
    sizes.iter().find(|size| {
        asked.is_none_or(|asked| asked == size.aspect_ratio)
            && resolution.is_none_or(|asked| asked == size.resolution)
            && pixels.as_deref().is_none_or(|asked| asked == size.pixels)
    })
}
