//! A tune: WAV, one channel of 16 bits, three seconds. Its notes are read from the dials.

use std::f32::consts::TAU;
use std::io::Cursor;

use super::MediaError;

const SAMPLES_PER_S: u32 = 24_000;
const NOTES: usize = 12;
const NOTE_S: f32 = 0.25;
const LOUDNESS: f32 = 0.5 * i16::MAX as f32;
/// Where the tune begins: the A below middle C, in hertz.
const ROOT_HZ: f32 = 220.0;
/// A pentatonic scale over two octaves, in half tones above the root: any order of these sounds well.
const SCALE: [i32; 11] = [0, 3, 5, 7, 10, 12, 15, 17, 19, 22, 24];

/// The tune as a file.
pub(super) fn render(dials: &[u8; 32]) -> Result<Vec<u8>, MediaError> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: SAMPLES_PER_S,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec)?;
    for dial in &dials[..NOTES] {
        let half_tones = SCALE[usize::from(*dial) % SCALE.len()];
        let pitch_hz = ROOT_HZ * (half_tones as f32 / 12.0).exp2();
        for at in 0..(NOTE_S * SAMPLES_PER_S as f32) as u32 {
            writer.write_sample((LOUDNESS * sample(pitch_hz, at as f32 / SAMPLES_PER_S as f32)) as i16)?;
        }
    }
    writer.finalize()?;
    Ok(file.into_inner())
}

/// A plucked string, `time_s` after the pluck: two harmonics that die away, and a soft start so that it does not click.
fn sample(pitch_hz: f32, time_s: f32) -> f32 {
    let swing = |harmonic: f32| (TAU * pitch_hz * harmonic * time_s).sin();
    let start = (time_s / 0.005).min(1.0);
    start * (-8.0 * time_s).exp() * (0.7 * swing(1.0) + 0.3 * swing(2.0))
}
