// The noise of a model: its scale, and the covariance and the spectrum of each layer's noise.

import { spectrum } from "./charts.js";
import { $, emit, lab, on, warn } from "./lab.js";
import { paintMatrix } from "./paint.js";
import { short } from "./svg.js";

async function show() {
  const layer = Number($("layer").value);
  try {
    const noise = await lab.engine.call("noise", layer);
    const largest = paintMatrix($("covariance"), noise.covariance, noise.side, "Covariance");
    for (const end of document.querySelectorAll(".covariance-range")) {
      end.textContent = short(largest);
    }
    $("covariance-sampled").textContent = noise.sampled;
    spectrum($("spectrum"), noise.spectrum);
    $("noise-law").textContent = noise.law;
    $("noise-size").textContent = noise.size.toPrecision(3);
    // Weights that are all equal have no spread to compare with.
    $("noise-relative").textContent =
      noise.relative === null ? "–" : `${(100 * noise.relative).toFixed(1)} %`;
  } catch (error) {
    warn(error.message);
  }
}

function fit() {
  const { stochastic, layers } = lab.model;
  $("noise-none").hidden = stochastic;
  $("noise-some").hidden = !stochastic;
  $("scale").value = lab.scale = 1;
  showScale();
  $("layer").replaceChildren(
    ...layers.map(({ name, law }, index) => new Option(`${name}: ${law}`, index)),
  );
  if (stochastic) show();
}

function showScale() {
  const scale = Number($("scale").value);
  const meaning = { 0: " (off)", 1: " (as learned)" }[scale] ?? "";
  $("scale-value").textContent = `${scale.toFixed(2)}${meaning}`;
  $("scale").setAttribute("aria-valuetext", $("scale-value").textContent);
}

export function wireNoise() {
  on("model", fit);
  $("layer").onchange = show;
  $("scale").oninput = showScale;
  $("scale").onchange = () => {
    lab.scale = Number($("scale").value);
    lab.engine.scale(lab.scale).catch((error) => warn(error.message));
    emit("scale");
    show();
  };
}
