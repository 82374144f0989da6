//! A clip's size in pixels, `1280x720`: what this API has in place of aspect ratio and resolution.

/// Sides of a shape, and its name.
const RATIOS: &[(u32, u32)] = &[(16, 9), (9, 16), (1, 1), (4, 3), (3, 4), (3, 2), (2, 3), (21, 9)];
/// A size is of the shape that it misses by no more than this part of it: 1792x1024 is what OpenAI has for 16:9.
const DEVIATION_MAX: f64 = 0.02;
/// Pixels of the longest side.
const SIDE_MAX: u32 = 16_384;
/// Short sides in pixels up to which a resolution goes, and its name.
const RESOLUTIONS: &[(u32, &str)] = &[(480, "480p"), (720, "720p"), (1080, "1080p"), (2160, "4k")];
/// What every model makes when nothing is said.
const USUAL: &str = "720p";

/// Width and height of `1280x720`.
pub(super) fn parse(text: &str) -> Option<(u32, u32)> {
    let (width, height) = text.split_once(['x', 'X', '*', '×'])?;
    let side = |text: &str| text.trim().parse().ok().filter(|side| (1..=SIDE_MAX).contains(side));
    Some((side(width)?, side(height)?))
}

/// The shape of a size: `16:9`.
pub(super) fn aspect_ratio((width, height): (u32, u32)) -> String {
    let shape = f64::from(width) / f64::from(height);
    let near = |(w, h): &&(u32, u32)| (shape * f64::from(*h) / f64::from(*w) - 1.0).abs() <= DEVIATION_MAX;
    let (width, height) = RATIOS.iter().find(near).copied().unwrap_or_else(|| {
        let divisor = divisor(width, height);
        (width / divisor, height / divisor)
    });
    format!("{width}:{height}")
}

/// The resolution of a size, unless it is the usual one.
pub(super) fn resolution((width, height): (u32, u32)) -> Option<&'static str> {
    let fits = RESOLUTIONS.iter().find(|(short, _)| width.min(height) <= *short);
    let (_, name) = fits.or(RESOLUTIONS.last())?;
    (*name != USUAL).then_some(*name)
}

/// The size of that shape and resolution; `None` if there is none in whole pixels.
pub(super) fn of(aspect_ratio: &str, resolution: Option<&str>) -> Option<String> {
    let (width, height) = aspect_ratio.split_once(':')?;
    let side = |text: &str| text.parse::<u32>().ok().filter(|side| (1..=SIDE_MAX).contains(side));
    let (width, height) = (side(width)?, side(height)?);
    let wanted = resolution.unwrap_or(USUAL);
    let (short, _) = RESOLUTIONS.iter().find(|(_, name)| *name == wanted)?;
    let long = (short * width.max(height)).checked_div(width.min(height))?;
    let is_whole = long * width.min(height) == short * width.max(height);
    let (width, height) = if width < height { (*short, long) } else { (long, *short) };
    (is_whole && long <= SIDE_MAX).then(|| format!("{width}x{height}"))
}

fn divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_shape_and_a_resolution() {
        for (text, ratio, resolution) in [
            ("1280x720", "16:9", None),
            ("720x1280", "9:16", None),
            ("1792x1024", "16:9", Some("1080p")),
            ("1024x1792", "9:16", Some("1080p")),
            ("1920X1080", "16:9", Some("1080p")),
            ("3840 x 2160", "16:9", Some("4k")),
            ("854x480", "16:9", Some("480p")),
            ("1024*1024", "1:1", Some("1080p")),
            ("16384x16384", "1:1", Some("4k")),
            ("1500x600", "5:2", None),
        ] {
            let size = parse(text).unwrap();
            assert_eq!((aspect_ratio(size).as_str(), self::resolution(size)), (ratio, resolution), "{text}");
        }
        for text in ["", "x", "1280", "0x720", "1280x", "-1x2", "1280x720x3", "16:9", "99999x1", "auto"] {
            assert_eq!(parse(text), None, "{text}");
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
