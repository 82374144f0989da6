//! The sizes of clips.

use super::{SIDE_MAX, ratio};

/// Short sides in pixels up to which a resolution goes, and its name.
const RESOLUTIONS: &[(u32, &str)] = &[(480, "480p"), (720, "720p"), (1080, "1080p"), (2160, "4k")];
/// What every model makes when nothing is said.
const USUAL: &str = "720p";

/// The resolution of a size, unless it is the usual one.
pub(in super::super) fn resolution((width, height): (u32, u32)) -> Option<&'static str> {
    let fits = RESOLUTIONS.iter().find(|(short, _)| width.min(height) <= *short);
    let (_, name) = fits.or(RESOLUTIONS.last())?;
    (*name != USUAL).then_some(*name)
}

/// The size of that shape and resolution; `None` if there is none in whole pixels.
pub(in super::super) fn of(aspect_ratio: &str, resolution: Option<&str>) -> Option<String> {
    let (width, height) = ratio(aspect_ratio)?;
    let wanted = resolution.unwrap_or(USUAL);
    let (short, _) = RESOLUTIONS.iter().find(|(_, name)| *name == wanted)?;
    let long = (short * width.max(height)).checked_div(width.min(height))?;
    let is_whole = long * width.min(height) == short * width.max(height);
    let (width, height) = if width < height { (*short, long) } else { (long, *short) };
    (is_whole && long <= SIDE_MAX).then(|| format!("{width}x{height}"))
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn a_size_has_a_resolution() {
        for (text, name) in [
            ("1280x720", None),
            ("1792x1024", Some("1080p")),
            ("3840x2160", Some("4k")),
            ("854x480", Some("480p")),
            ("1024x1024", Some("1080p")),
            ("16384x16384", Some("4k")),
            ("1500x600", None),
        ] {
            assert_eq!(resolution(parse(text).unwrap()), name, "{text}");
        }
    }

    #[test]
    fn a_shape_and_a_resolution_make_a_size() {
        assert_eq!(of("16:9", None).as_deref(), Some("1280x720"));
        assert_eq!(of("9:16", Some("1080p")).as_deref(), Some("1080x1920"));
        assert_eq!(of("1:1", Some("4k")).as_deref(), Some("2160x2160"));
        assert_eq!(of("16:9", Some("480p")), None, "480 lines of that shape are no whole pixels");
        for (ratio, resolution) in [("auto", None), ("16:9", Some("2k")), ("0:1", None), ("16384:1", None)] {
            assert_eq!(of(ratio, resolution), None, "{ratio} {resolution:?}");
        }
    }
}
