// Paint: images, differences and matrices on canvases, one pixel of the canvas for each value.
// Signed values are orange above zero and blue below, and clear at zero, for light and dark pages.

const ABOVE = [214, 90, 20];
const BELOW = [30, 110, 230];

function put(canvas, width, height, colour) {
  canvas.width = width;
  canvas.height = height;
  const data = new ImageData(width, height);
  for (let at = 0; at < width * height; at++) data.data.set(colour(at), 4 * at);
  canvas.getContext("2d").putImageData(data, 0, 0);
}

function describe(canvas, text) {
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", text);
}

/** Paints pixels in [0, 1], channels × height × width; grey where there is one channel. */
export function paintImage(canvas, pixels, { channels, height, width }, name) {
  const area = height * width;
  put(canvas, width, height, (at) => {
    const value = (channel) => Math.round(255 * pixels[at + (channels === 3 ? channel * area : 0)]);
    return [value(0), value(1), value(2), 255];
  });
  const mean = pixels.reduce((sum, pixel) => sum + pixel, 0) / pixels.length;
  describe(canvas, `${name}, ${width} by ${height} pixels, mean brightness ${mean.toFixed(2)}`);
}

/** The largest change of a pixel and the share of pixels that changed. */
export function changes(before, after) {
  let largest = 0;
  let changed = 0;
  for (let at = 0; at < before.length; at++) {
    const change = Math.abs(after[at] - before[at]);
    largest = Math.max(largest, change);
    if (change > 1e-6) changed += 1;
  }
  return { largest, share: changed / before.length };
}

/** Paints `after` − `before`, a mean over channels, in full colour at ±`full`. */
export function paintDifference(canvas, before, after, full, { channels, height, width }) {
  const area = height * width;
  put(canvas, width, height, (at) => {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) {
      sum += after[at + channel * area] - before[at + channel * area];
    }
    return signed(sum / channels / full);
  });
  const { largest, share } = changes(before, after);
  const percent = Math.round(100 * share);
  describe(canvas, `The change: at most ${largest.toFixed(3)}, in ${percent} % of the values`);
}

/** Paints a square matrix in full colour at its largest magnitude, which is returned. */
export function paintMatrix(canvas, values, side, name) {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  put(canvas, side, side, (at) => signed(largest === 0 ? 0 : values[at] / largest));
  describe(canvas, `${name}, ${side} by ${side} values up to ${largest.toExponential(1)}`);
  return largest;
}

function signed(value) {
  const strength = Math.min(1, Math.abs(value));
  return [...(value > 0 ? ABOVE : BELOW), Math.round(255 * strength)];
}
