//! Colors that colour-blind readers can tell apart, on paper, on a bright screen and on a dark one.

use super::picture::Color;

/// The palette of Okabe and Ito, the strong colors first, without the yellow, which is hardly
/// visible on paper.
pub(super) const SERIES: [[u8; 3]; 6] = [
    [0x00, 0x72, 0xB2],
    [0xD5, 0x5E, 0x00],
    [0x00, 0x9E, 0x73],
    [0xCC, 0x79, 0xA7],
    [0xE6, 0x9F, 0x00],
    [0x56, 0xB4, 0xE9],
];

/// The color of a figure outside of a page, as red, green and blue.
pub(super) fn rgb(color: Color) -> [u8; 3] {
    match color {
        Color::Ink => [0x1B, 0x1F, 0x24],
        Color::Muted => [0x57, 0x60, 0x6A],
        Color::Grid => [0xD8, 0xDE, 0xE4],
        Color::Paper => [0xFF, 0xFF, 0xFE],
        Color::Series(n) => SERIES[n % SERIES.len()],
    }
}

/// The same color in the notation of SVG.
pub(super) fn hex(color: Color) -> String {
    let [r, g, b] = rgb(color);
    format!("#{r:02X}{g:02X}{b:02X}")
}

/// The color of a value between the lowest and the highest: from dark to bright if all values have
/// one sign, else from blue over white to red, with white at zero.
pub(super) fn shade(value: f64, [low, high]: [f64; 2]) -> [u8; 3] {
    const VIRIDIS: [[u8; 3]; 6] = [
        [0x44, 0x01, 0x54],
        [0x41, 0x44, 0x87],
        [0x2A, 0x78, 0x8E],
        [0x22, 0xA8, 0x84],
        [0x7A, 0xD1, 0x51],
        [0xFD, 0xE7, 0x25],
    ];
    const DIVERGING: [[u8; 3]; 5] = [
        [0x05, 0x30, 0x61],
        [0x6B, 0xAC, 0xD1],
        [0xF7, 0xF7, 0xF7],
        [0xF4, 0xA5, 0x82],
        [0x8E, 0x0C, 0x25],
    ];
    let stops: &[[u8; 3]] = if low < 0.0 && high > 0.0 { &DIVERGING } else { &VIRIDIS };
    let place = if high > low { ((value - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 };
    let place = place * (stops.len() - 1) as f64;
    let first = (place as usize).min(stops.len() - 2);
    let mix = |a: u8, b: u8| {
        let share = place - first as f64;
        (f64::from(a) * (1.0 - share) + f64::from(b) * share).round() as u8
    };
    [0, 1, 2].map(|i| mix(stops[first][i], stops[first + 1][i]))
}
