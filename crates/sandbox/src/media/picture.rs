//! Draws one picture: a sky, a sun and three waves, whose colours and ways are read from the dials, and the first of
//! the dials as digits, so that two pictures can be told apart by eye. Pure; no fonts.

use std::f32::consts::TAU;

const WAVES: usize = 3;
/// The height of a glyph cell is this part of the picture's shorter side.
const LABEL_PART: usize = 16;

/// Hexadecimal digits, 3 wide and 5 high, rows apart by spaces.
const GLYPHS: [&[u8; 19]; 16] = [
    b"### #.# #.# #.# ###",
    b".#. ##. .#. .#. ###",
    b"### ..# ### #.. ###",
    b"### ..# ### ..# ###",
    b"#.# #.# ### ..# ..#",
    b"### #.. ### ..# ###",
    b"### #.. ### #.# ###",
    b"### ..# ..# .#. .#.",
    b"### #.# ### #.# ###",
    b"### #.# ### ..# ###",
    b"### #.# ### #.# #.#",
    b"##. #.# ##. #.# ##.",
    b"### #.. #.. #.. ###",
    b"##. #.# #.# #.# ##.",
    b"### #.. ### #.. ###",
    b"### #.. ### #.. #..",
];

/// Red, green, blue.
pub(crate) type Colour = [u8; 3];

/// A picture in memory: rows from the top, three bytes for each pixel.
pub(crate) struct Canvas {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) rgb: Vec<u8>,
}

/// What the dials say; draw it at as many moments as you like.
pub(crate) struct Scene {
    sky: [Colour; 2],
    sun: Colour,
    sun_turns: [f32; 2],
    waves: [Wave; WAVES],
    label: [u8; 4],
}

struct Wave {
    colour: Colour,
    /// Crests across the picture.
    crests: f32,
    /// Widths of a crest that it moves from the first moment to the last: whole, so that a loop has no seam.
    speed: f32,
}

impl Canvas {
    /// A black one. Sides above 0.
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Self { width, height, rgb: vec![0; width * height * 3] }
    }

    fn set(&mut self, x: usize, y: usize, colour: Colour) {
        let at = (y * self.width + x) * 3;
        self.rgb[at..at + 3].copy_from_slice(&colour);
    }
}

impl Scene {
    /// The scene that belongs to the dials.
    pub(crate) fn of(dials: &[u8; 32]) -> Self {
        let dial = |at: usize| f32::from(dials[at]) / 256.0;
        let sea = dial(0);
        let wave = |layer: usize| Wave {
            colour: colour_of(sea + 0.03 * layer as f32, 0.75, 0.75 - 0.2 * layer as f32),
            crests: 1.0 + f32::from(dials[4 + layer] % 5),
            speed: 1.0 + f32::from(dials[7 + layer] % 3),
        };
        Self {
            sky: [colour_of(dial(1), 0.7, 0.45), colour_of(dial(1) + 0.1 + 0.2 * dial(2), 0.55, 0.95)],
            sun: colour_of(dial(3), 0.5, 1.0),
            sun_turns: [1.0, 1.0 + f32::from(dials[10] % 2)],
            waves: std::array::from_fn(wave),
            label: [dials[0], dials[1], dials[2], dials[3]],
        }
    }

    /// Draws the scene at a moment between 0 and 1; the last runs into the first.
    pub(crate) fn draw(&self, moment: f32, canvas: &mut Canvas) {
        let surface = self.surface(moment, canvas);
        let (width, height) = (canvas.width as f32, canvas.height as f32);
        let radius = 0.12 * width.min(height);
        let sun_x = width * (0.5 + 0.35 * (TAU * self.sun_turns[0] * moment).cos());
        let sun_y = height * (0.35 + 0.2 * (TAU * self.sun_turns[1] * moment).sin());
        for y in 0..canvas.height {
            let sky = mix(self.sky, y as f32 / height);
            for x in 0..canvas.width {
                let (dx, dy) = (x as f32 - sun_x, y as f32 - sun_y);
                let is_sun = dx * dx + dy * dy < radius * radius;
                let behind = if is_sun { self.sun } else { sky };
                // The front wave is the last one.
                let wave = (0..WAVES).rev().find(|layer| y as f32 >= surface[layer * canvas.width + x]);
                canvas.set(x, y, wave.map_or(behind, |layer| self.waves[layer].colour));
            }
        }
        self.draw_label(canvas);
    }

    /// The height of each wave in each column, in pixels from the top, one wave after the other.
    fn surface(&self, moment: f32, canvas: &Canvas) -> Vec<f32> {
        let (width, height) = (canvas.width as f32, canvas.height as f32);
        let wave_in = |(layer, wave): (usize, &Wave)| {
            let (crests, speed) = (wave.crests, wave.speed);
            (0..canvas.width)
                .map(move |x| {
                    let swell = (TAU * (crests * x as f32 / width + speed * moment)).sin();
                    height * (0.6 + 0.12 * layer as f32 + 0.04 * swell)
                })
                .collect::<Vec<_>>()
        };
        self.waves.iter().enumerate().flat_map(wave_in).collect()
    }

    fn draw_label(&self, canvas: &mut Canvas) {
        let dot = (canvas.width.min(canvas.height) / LABEL_PART / 5).max(1);
        let digits = self.label.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        for (place, digit) in digits.enumerate() {
            let left = dot * (2 + 4 * place);
            for (at, _) in GLYPHS[usize::from(digit)].iter().enumerate().filter(|(_, mark)| **mark == b'#') {
                let (column, row) = (at % 4, at / 4);
                fill(canvas, left + dot * column, dot * (2 + row), dot);
            }
        }
    }
}

/// A white square; what is outside the picture is left out.
fn fill(canvas: &mut Canvas, left: usize, top: usize, side: usize) {
    for y in top..(top + side).min(canvas.height) {
        for x in left..(left + side).min(canvas.width) {
            canvas.set(x, y, [255, 255, 255]);
        }
    }
}

fn mix([from, to]: [Colour; 2], part: f32) -> Colour {
    std::array::from_fn(|at| (f32::from(from[at]) + (f32::from(to[at]) - f32::from(from[at])) * part) as u8)
}

/// A colour by hue (turns of the wheel), saturation and brightness (0 to 1).
fn colour_of(hue: f32, saturation: f32, brightness: f32) -> Colour {
    // Red, green and blue are the same curve, a third of the wheel apart.
    let channel = |shift: f32| {
        let distance = ((hue + shift).rem_euclid(1.0) * 6.0 - 3.0).abs() - 1.0;
        (255.0 * brightness * (1.0 - saturation + saturation * distance.clamp(0.0, 1.0))) as u8
    };
    [channel(0.0), channel(2.0 / 3.0), channel(1.0 / 3.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hues_are_where_the_wheel_has_them() {
        assert_eq!(colour_of(0.0, 1.0, 1.0), [255, 0, 0]);
        assert_eq!(colour_of(1.0 / 3.0, 1.0, 1.0), [0, 255, 0]);
        assert_eq!(colour_of(2.0 / 3.0, 1.0, 1.0), [0, 0, 255]);
        assert_eq!(colour_of(0.4, 0.0, 0.5), [127, 127, 127]);
    }

    #[test]
    fn a_scene_moves() {
        let scene = Scene::of(&[99; 32]);
        let (mut first, mut later) = (Canvas::new(64, 48), Canvas::new(64, 48));
        scene.draw(0.0, &mut first);
        scene.draw(0.3, &mut later);
        assert_ne!(first.rgb, later.rgb);
    }

    #[test]
    fn the_smallest_canvas_holds_a_scene() {
        let mut canvas = Canvas::new(1, 1);
        Scene::of(&[0; 32]).draw(0.5, &mut canvas);
        assert_eq!(canvas.rgb.len(), 3);
    }
}
