//! A still picture: PNG.

use super::picture::{Canvas, Scene};
use super::{MediaError, pair};

/// The longer side where only a ratio is given.
const LONG_SIDE: usize = 1024;
const SIDE_MIN: usize = 16;
const SIDE_MAX: usize = 2048;
/// The moment of the scene that a still picture shows.
const MOMENT: f32 = 0.125;

/// Width and height for a size (`1024x768`), else for a ratio (`3:2`), else square. Sides stay within bounds.
pub(super) fn frame(aspect_ratio: Option<&str>, size: Option<&str>) -> (usize, usize) {
    let (width, height) = pair(size, 'x').unwrap_or_else(|| {
        let (across, down) = pair(aspect_ratio, ':').unwrap_or((1, 1));
        let longer = across.max(down);
        (LONG_SIDE * across / longer, LONG_SIDE * down / longer)
    });
    (width.clamp(SIDE_MIN, SIDE_MAX), height.clamp(SIDE_MIN, SIDE_MAX))
}

/// The picture as a file.
pub(super) fn render(dials: &[u8; 32], width: usize, height: usize) -> Result<Vec<u8>, MediaError> {
    let mut canvas = Canvas::new(width, height);
    Scene::of(dials).draw(MOMENT, &mut canvas);
    let side = |pixels: usize| u32::try_from(pixels).expect("frames are small");
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, side(width), side(height));
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&canvas.rgb)?;
    writer.finish()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_comes_before_ratio_and_both_have_bounds() {
        assert_eq!(frame(Some("1:1"), Some("640x480")), (640, 480));
        assert_eq!(frame(Some("16:9"), None), (1024, 576));
        assert_eq!(frame(Some("9:16"), Some("1K")), (576, 1024));
        assert_eq!(frame(None, None), (1024, 1024));
        assert_eq!(frame(None, Some("1x9000")), (SIDE_MIN, SIDE_MAX));
        assert_eq!(frame(Some("1:1000"), None), (SIDE_MIN, LONG_SIDE));
    }
}
