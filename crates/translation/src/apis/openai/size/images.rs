//! The sizes of pictures.

use super::{aspect_ratio, ratio};

/// The three sizes that every GPT image model makes; the usual size of their shapes.
const STANDARD: &[(u32, u32)] = &[(1024, 1024), (1536, 1024), (1024, 1536)];
/// The sizes of the model `dall-e-3`.
const DALL_E_3: &[(u32, u32)] = &[(1024, 1024), (1792, 1024), (1024, 1792)];
/// The side of what `dall-e-2` makes at most.
const DALL_E_2: &[(u32, u32)] = &[(1024, 1024)];

/// The step of the sides where any size is possible, in pixels.
const STEP: u32 = 16;
/// The longer side in shorter ones, where any shape is possible.
const RATIO_MAX: u32 = 3;
/// Resolutions where any size is possible: name, pixels of the longer side, pixels in all.
const RESOLUTIONS: &[(&str, u32, u32)] =
    &[(USUAL, 1536, 1536 * 1024), ("2k", 2560, 2048 * 2048), ("4k", 3840, 3840 * 2160)];
/// Pixels up to which a size is a usual one: those of the largest that a model makes which makes only a few.
const USUAL_PIXELS_MAX: u32 = 1792 * 1024;
/// What every model makes when nothing is said.
const USUAL: &str = "1k";

/// The resolution of a size, unless it is the usual one.
pub(in super::super) fn resolution((width, height): (u32, u32)) -> Option<&'static str> {
    let pixels = u64::from(width) * u64::from(height);
    let fits = RESOLUTIONS.iter().find(|(_, _, pixels_max)| pixels <= u64::from(*pixels_max));
    let (name, _, _) = fits.or(RESOLUTIONS.last())?;
    (pixels > u64::from(USUAL_PIXELS_MAX)).then_some(*name)
}

/// The size of that shape and resolution that a model makes; `None` if it makes none.
pub(in super::super) fn of(model: &str, shape: &str, resolution: Option<&str>) -> Option<String> {
    let usual = resolution.is_none_or(|resolution| resolution == USUAL);
    let sizes = match model {
        "dall-e-2" => DALL_E_2,
        "dall-e-3" => DALL_E_3,
        _ => STANDARD,
    };
    let listed = sizes.iter().find(|size| usual && aspect_ratio(**size) == shape).copied();
    let size = listed.or_else(|| any_size(shape, resolution).filter(|_| makes_any(model)));
    size.map(|(width, height)| format!("{width}x{height}"))
}

/// Whether a model makes any size, and not a few. Of models that we do not know, we do not know it either.
fn makes_any(model: &str) -> bool {
    model.starts_with("gpt-image-2")
}

/// The largest size of that shape and resolution.
fn any_size(shape: &str, resolution: Option<&str>) -> Option<(u32, u32)> {
    let (width, height) = ratio(shape)?;
    if width.max(height) > RATIO_MAX * width.min(height) {
        return None;
    }
    let wanted = resolution.unwrap_or(USUAL);
    let (_, side_max, pixels_max) = RESOLUTIONS.iter().find(|(name, _, _)| *name == wanted)?;
    let fits = |factor: &u32| {
        let (width, height) = (width * STEP * factor, height * STEP * factor);
        width.max(height) <= *side_max && width * height <= *pixels_max
    };
    let factor = (1..=side_max / STEP).take_while(fits).last()?;
    Some((width * STEP * factor, height * STEP * factor))
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn a_size_has_a_resolution() {
        for (text, name) in [
            ("1024x1024", None),
            ("1536x1024", None),
            ("1792x1024", None),
            ("2048x2048", Some("2k")),
            ("3840x2160", Some("4k")),
            ("16384x16384", Some("4k")),
        ] {
            assert_eq!(resolution(parse(text).unwrap()), name, "{text}");
        }
    }

    #[test]
    fn a_model_makes_some_sizes_or_any() {
        for (model, shape, resolution, size) in [
            ("gpt-image-1", "1:1", None, Some("1024x1024")),
            ("gpt-image-1", "3:2", Some("1k"), Some("1536x1024")),
            ("gpt-image-1", "2:3", None, Some("1024x1536")),
            ("gpt-image-1", "16:9", None, None),
            ("gpt-image-1", "1:1", Some("2k"), None),
            ("dall-e-3", "16:9", None, Some("1792x1024")),
            ("dall-e-2", "16:9", None, None),
            ("another-hosts-model", "1:1", None, Some("1024x1024")),
            ("gpt-image-2", "1:1", None, Some("1024x1024")),
            ("gpt-image-2", "16:9", None, Some("1536x864")),
            ("gpt-image-2", "16:9", Some("2k"), Some("2560x1440")),
            ("gpt-image-2", "9:16", Some("4k"), Some("2160x3840")),
            ("gpt-image-2", "1:1", Some("4k"), Some("2880x2880")),
            ("gpt-image-2", "3:1", None, Some("1536x512")),
            ("gpt-image-2", "4:1", None, None),
            ("gpt-image-2", "auto", None, None),
            ("gpt-image-2", "1:1", Some("8k"), None),
            ("gpt-image-2", "9999:9998", None, None),
        ] {
            assert_eq!(of(model, shape, resolution).as_deref(), size, "{model} {shape} {resolution:?}");
        }
    }
}
