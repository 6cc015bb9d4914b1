// Pictures of one's own: from a file to pixels of the size that the model takes. What is wrong with
// a file, and what was done to a good one, is a sentence.

const MOST_BYTES = 50e6;
const MOST_PIXELS = 100e6;

/** The width and height of a picture, read before its pixels are decoded. */
async function sizeOf(file) {
  const url = URL.createObjectURL(file);
  try {
    const image = new Image();
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = () =>
        reject(new Error(`${file.name} is no picture that this browser can read.`));
      image.src = url;
    });
    return { width: image.naturalWidth, height: image.naturalHeight };
  } finally {
    URL.revokeObjectURL(url);
  }
}

/**
 * Reads a picture for a model: its middle square, scaled, on white where it is transparent.
 * @returns {Promise<{pixels: Float32Array, notes: string[]}>}
 */
export async function readPicture(file, { channels, height, width }) {
  if (file.size === 0) throw new Error(`${file.name} is empty: it has no bytes.`);
  if (file.size > MOST_BYTES) {
    const size = (file.size / 1e6).toFixed(0);
    throw new Error(`${file.name} has ${size} MB; pictures of up to 50 MB are read.`);
  }
  const full = await sizeOf(file);
  if (full.width * full.height > MOST_PIXELS) {
    const size = (full.width * full.height) / 1e6;
    throw new Error(
      `${file.name} has ${size.toFixed(0)} megapixels; pictures of up to 100 megapixels are read.`,
    );
  }
  const scale = Math.min(full.width / width, full.height / height);
  const cut = { width: Math.round(width * scale), height: Math.round(height * scale) };
  const [x, y] = [(full.width - cut.width) >> 1, (full.height - cut.height) >> 1];
  const same = full.width === width && full.height === height;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  try {
    const options = same ? {} : { resizeWidth: width, resizeHeight: height, resizeQuality: "high" };
    const bitmap = await createImageBitmap(file, x, y, cut.width, cut.height, options);
    context.drawImage(bitmap, 0, 0);
    bitmap.close();
  } catch (error) {
    throw new Error(`${file.name} could not be decoded: ${error.message}`);
  }
  const { data } = context.getImageData(0, 0, width, height);

  const notes = [];
  if (cut.width < full.width || cut.height < full.height)
    notes.push("Its middle part was cut out.");
  if (!same) {
    notes.push(`It was scaled from ${cut.width} × ${cut.height} to ${width} × ${height} pixels.`);
  }
  let clear = false;
  const area = width * height;
  const pixels = new Float32Array(channels * area);
  for (let at = 0; at < area; at++) {
    const alpha = data[4 * at + 3] / 255;
    clear ||= alpha < 1;
    const colour = [0, 1, 2].map((c) => (alpha * data[4 * at + c]) / 255 + 1 - alpha);
    if (channels === 3) {
      for (let c = 0; c < 3; c++) pixels[c * area + at] = colour[c];
    } else {
      pixels[at] = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2];
    }
  }
  if (clear) notes.push("Its transparent parts were laid on white.");
  return { pixels, notes };
}

/** Whether a grey picture is dark ink on a bright ground, where the digits are the other way. */
export const isBright = (pixels) => pixels.reduce((sum, p) => sum + p, 0) / pixels.length > 0.5;

export const inverted = (pixels) => pixels.map((pixel) => 1 - pixel);
