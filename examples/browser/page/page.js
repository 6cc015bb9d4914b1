// The page: its start, the choice of the model and of the key, and the notes behind the "?".

import { wireAttack } from "./attack.js";
import { wireCode } from "./code.js";
import { Engine } from "./engine.js";
import { wireImages } from "./images.js";
import { wireJudge } from "./judge.js";
import { $, emit, lab, on, run, say } from "./lab.js";
import { checkBrowser, program, weights } from "./load.js";
import { wireNoise } from "./noise.js";
import { wirePrediction } from "./prediction.js";

const FIRST = "digits-cni-w";
const MOST_KEY = 2 ** 32 - 1;

function progress(text) {
  $("progress").hidden = text === "";
  $("model-about").hidden = text !== "";
  $("progress-words").textContent = text;
}

/** Starts the program in a worker; its models become the choice. */
async function startEngine() {
  checkBrowser();
  const module = await program((bytes) => {
    progress(`Loading the program: ${(bytes / 1e6).toFixed(1)} MB …`);
  });
  progress("Starting the program …");
  const engine = new Engine(module);
  const models = await engine.start();
  lab.engine = engine;
  $("model").replaceChildren(...models.map(({ name, title }) => new Option(title, name)));
}

/** Fetches and opens a model and tells the parts; the former one stays where that fails. */
function loadModel(name) {
  const load = async (signal) => {
    try {
      // The files come while the program compiles; what is wrong with them is told after it.
      const files = weights(name);
      files.catch(() => {});
      if (!lab.engine) await startEngine();
      progress("Loading the model …");
      const [state, bytes] = await files;
      signal.throwIfAborted();
      const { model, images } = await lab.engine.open(name, state, bytes);
      lab.model = model;
      lab.images = images.map((pixels, index) => ({ ...model.images[index], pixels, own: false }));
    } finally {
      progress("");
      $("model").value = lab.model?.name ?? name;
    }
    describe(lab.model);
    emit("model");
  };
  run("load", load, () => loadModel(name));
}

function describe({ title, about, parameters, noise_parameters: noise }) {
  const count = (number) => number.toLocaleString("en");
  const carried = noise > 0 ? `, ${count(noise)} of them of the noise` : "";
  $("model-about").textContent = `${about} ${count(parameters)} parameters${carried}.`;
  $("main").classList.remove("empty");
  say(`${title} is loaded.`);
}

function setKey() {
  const field = $("key");
  const good = field.validity.valid && field.value !== "";
  field.setAttribute("aria-invalid", String(!good));
  $("key-why").textContent = good
    ? ""
    : `A whole number from 0 to ${MOST_KEY.toLocaleString("en")}.`;
  if (!good || Number(field.value) === lab.key) return;
  lab.key = Number(field.value);
  emit("key");
}

/** Closes the open notes, except the one around an element. */
function closeNotes(except) {
  for (const note of document.querySelectorAll("details.help[open]")) {
    if (!note.contains(except)) note.open = false;
  }
}

// The noise and the attack fit themselves to a new model before its first image is shown.
for (const wire of [wireNoise, wireAttack, wireJudge, wireCode, wirePrediction, wireImages]) wire();
// A click on what is about to be replaced must not end the loading.
on("task", () => {
  for (const part of document.querySelectorAll("section")) part.inert = lab.running === "load";
});
$("model").onchange = () => loadModel($("model").value);
$("key").max = MOST_KEY;
$("key").onchange = setKey;
document.onclick = ({ target }) => closeNotes(target);
document.onkeydown = ({ key }) => {
  if (key === "Escape") closeNotes();
};
loadModel(FIRST);
