// The prediction: the class probabilities of an image over draws of the noise, in batches.

import { distribution, firsts } from "./charts.js";
import { $, isNoisy, lab, on, run, say } from "./lab.js";

const BATCH = 10;
const MOST = 100;

/**
 * Predicts over draws and shows each batch; one draw where all are alike.
 * @param {(values: Float32Array, draws: number) => void} show
 */
export async function predict(pixels, signal, show) {
  const most = isNoisy() ? MOST : 1;
  const values = [];
  for (let first = 0; first < most; first += BATCH) {
    const draws = Math.min(BATCH, most);
    values.push(...(await lab.engine.call("predict", pixels, lab.key, first, draws)));
    signal.throwIfAborted();
    show(Float32Array.from(values), first + draws);
  }
}

/** What the draws say, as a sentence. */
export function words(values) {
  const { classes } = lab.model;
  const wins = firsts(values, classes.length);
  const most = Math.max(...wins);
  const draws = values.length / classes.length;
  const winner = classes[wins.indexOf(most)];
  return isNoisy()
    ? `${winner} is the most probable class in ${most} of ${draws} draws.`
    : `The model says ${winner}. Without noise every pass gives the same answer, so one is enough.`;
}

function repeat() {
  if (!lab.image) return;
  const { image } = lab;
  run("predict", async (signal) => {
    let last;
    await predict(image.pixels, signal, (values, draws) => {
      $("prediction").dataset.draws = draws;
      distribution($("prediction-chart"), values, lab.model.classes, image.label);
      $("prediction-words").textContent = last = words(values);
    });
    say(`Prediction: ${last}`);
  });
}

export function wirePrediction() {
  for (const change of ["image", "label", "key", "scale"]) on(change, repeat);
}
