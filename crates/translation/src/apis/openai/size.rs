//! Sizes in pixels, `1280x720`: what this API has in place of aspect ratio and resolution.

pub(super) mod images;
pub(super) mod videos;

/// Sides of a shape, and its name.
const RATIOS: &[(u32, u32)] = &[(16, 9), (9, 16), (1, 1), (4, 3), (3, 4), (3, 2), (2, 3), (21, 9)];
/// A size is of the shape that it misses by no more than this part of it: 1792x1024 is what OpenAI has for 16:9.
const DEVIATION_MAX: f64 = 0.02;
/// Pixels of the longest side.
const SIDE_MAX: u32 = 16_384;

/// Width and height of `1280x720`.
pub(super) fn parse(text: &str) -> Option<(u32, u32)> {
    let (width, height) = text.split_once(['x', 'X', '*', '×'])?;
    Some((side(width.trim())?, side(height.trim())?))
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

/// The two numbers of `16:9`.
fn ratio(text: &str) -> Option<(u32, u32)> {
    let (width, height) = text.split_once(':')?;
    Some((side(width)?, side(height)?))
}

fn side(text: &str) -> Option<u32> {
    text.parse().ok().filter(|side| (1..=SIDE_MAX).contains(side))
}

fn divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_shape() {
        for (text, ratio) in [
            ("1280x720", "16:9"),
            ("720x1280", "9:16"),
            ("1792x1024", "16:9"),
            ("1024x1792", "9:16"),
            ("1920X1080", "16:9"),
            ("3840 x 2160", "16:9"),
            ("854x480", "16:9"),
            ("1024*1024", "1:1"),
            ("1536x1024", "3:2"),
            ("1500x600", "5:2"),
        ] {
            assert_eq!(aspect_ratio(parse(text).unwrap()), ratio, "{text}");
        }
        for text in ["", "x", "1280", "0x720", "1280x", "-1x2", "1280x720x3", "16:9", "99999x1", "auto"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
