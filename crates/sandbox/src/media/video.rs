//! A clip: H.264 in MP4, index in front, about three seconds. The one place that knows the encoder and the muxer.

use muxide::api::{MuxerBuilder, VideoCodec};
use openh264::OpenH264API;
use openh264::encoder::{Encoder, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, RateControlMode};
use openh264::formats::{RgbSliceU8, YUVBuffer};

use super::picture::{Canvas, Scene};
use super::{MediaError, pair};

const FRAMES_PER_S: u32 = 16;
const FRAMES: u32 = 3 * FRAMES_PER_S;

/// Multiples of 16, so that the encoder needs no cropping.
const LANDSCAPE: (usize, usize) = (480, 272);
const PORTRAIT: (usize, usize) = (272, 480);
const SQUARE: (usize, usize) = (352, 352);

/// Width and height for a ratio (`9:16`), else for a size (`720x1280`), else landscape.
pub(super) fn frame(aspect_ratio: Option<&str>, size: Option<&str>) -> (usize, usize) {
    match pair(aspect_ratio, ':').or(pair(size, 'x')) {
        Some((width, height)) if width < height => PORTRAIT,
        Some((width, height)) if width == height => SQUARE,
        _ => LANDSCAPE,
    }
}

/// The clip as a file. Both sides even.
pub(super) fn render(dials: &[u8; 32], width: usize, height: usize) -> Result<Vec<u8>, MediaError> {
    let config = EncoderConfig::new()
        .max_frame_rate(FrameRate::from_hz(FRAMES_PER_S as f32))
        .intra_frame_period(IntraFramePeriod::from_num_frames(FRAMES_PER_S))
        .rate_control_mode(RateControlMode::Off) // the same quality throughout; the pictures are simple
        .skip_frames(false)
        .num_threads(1);
    let mut encoder = Encoder::with_api_config(OpenH264API::from_source(), config)?;
    let side = |pixels: usize| u32::try_from(pixels).expect("frames are small");
    let mut muxer = MuxerBuilder::new(Vec::new())
        .video(VideoCodec::H264, side(width), side(height), f64::from(FRAMES_PER_S))
        .with_fast_start(true)
        .build()?;
    let scene = Scene::of(dials);
    let mut canvas = Canvas::new(width, height);
    for frame in 0..FRAMES {
        scene.draw(frame as f32 / FRAMES as f32, &mut canvas);
        let picture = YUVBuffer::from_rgb8_source(RgbSliceU8::new(&canvas.rgb, (width, height)));
        let encoded = encoder.encode(&picture)?;
        let is_key_frame = encoded.frame_type() == FrameType::IDR;
        muxer.write_video(f64::from(frame) / f64::from(FRAMES_PER_S), &encoded.to_vec(), is_key_frame)?;
    }
    muxer.finish_in_place()?;
    Ok(muxer.into_writer())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_decides_the_frame() {
        assert_eq!(frame(None, None), LANDSCAPE);
        assert_eq!(frame(Some("Auto"), None), LANDSCAPE);
        assert_eq!(frame(Some("9:16"), None), PORTRAIT);
        assert_eq!(frame(Some("1:1"), None), SQUARE);
        assert_eq!(frame(None, Some("720x1280")), PORTRAIT);
    }
}
