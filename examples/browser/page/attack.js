// The attack: its settings, its run, and what it does to the image step by step.

import { distribution, lines } from "./charts.js";
import { $, emit, isNoisy, lab, on, outdated, run, say, stop } from "./lab.js";
import { changes, paintDifference, paintImage } from "./paint.js";
import { predict, words } from "./prediction.js";

/** The steps of each method: least, most, between two marks of the slider, at first. */
const STEPS = { fgsm: [1, 1, 1, 1], pgd: [1, 100, 1, 20], square: [100, 2000, 100, 500] };

/** ε is a whole number of these: grey levels of colour images, hundredths of digits. */
const unit = () => (lab.model.channels === 3 ? 255 : 100);

const radius = () => Number($("epsilon").value) / unit();

const showRadius = () => (unit() === 255 ? `${$("epsilon").value}/255` : radius().toFixed(2));

/** The settings as they stand. */
export const settings = () => ({
  method: $("method").value,
  epsilon: radius(),
  steps: Number($("steps").value),
  draws: lab.model.stochastic ? Number($("draws").value) : 1,
  key: lab.key,
});

function setSteps() {
  const [least, most, step, first] = STEPS[$("method").value];
  Object.assign($("steps"), { min: least, max: most, step, value: first });
  $("steps").disabled = least === most;
  const square = $("method").value === "square";
  $("steps-name").textContent = square ? "Queries" : "Steps";
  $("draws-name").textContent = square ? "Draws per query" : "Draws per gradient";
  $("steps-why").textContent = least === most ? "FGSM takes one step." : "";
}

function showSettings() {
  $("epsilon-value").textContent = showRadius();
  $("steps-value").textContent = $("steps").value;
  $("draws").disabled = !lab.model.stochastic;
  $("draws-value").textContent = settings().draws;
  $("draws-why").textContent = lab.model.stochastic
    ? ""
    : "This model has no noise: all draws are alike, so one is enough.";
  $("epsilon").setAttribute("aria-valuetext", showRadius());
  emit("settings");
}

function fit() {
  Object.assign($("epsilon"), { min: 1, max: unit() === 255 ? 32 : 50 });
  $("epsilon").value = Math.round(lab.model.epsilon * unit());
  showSettings();
}

/** Numbers of the last step, pictures and chart; the returned image once there is one. */
function draw(attack) {
  const { steps, settings, before } = attack;
  const last = steps.at(-1);
  const pixels = attack.pixels ?? last.pixels;
  const radius = settings.epsilon;
  paintImage($("attack-before"), before, lab.model, "Before the attack");
  paintImage($("attack-now"), pixels, lab.model, "Under attack");
  paintDifference($("attack-change"), before, pixels, radius, lab.model);
  $("attack-factor").textContent = `full colour at ${attack.radius}`;
  const { largest, share } = changes(before, pixels);
  $("number-step").textContent = `${last.step} of ${last.steps}`;
  $("number-loss").textContent = last.loss.toFixed(3);
  $("number-margin").textContent = last.margin.toFixed(2);
  $("number-wrong").textContent = `${Math.round(100 * last.wrong)} %`;
  $("number-change").textContent = `${largest.toFixed(3)}, in ${Math.round(100 * share)} %`;
  $("number-passes").textContent =
    `${last.forwards.toLocaleString("en")} / ${last.backwards.toLocaleString("en")}`;
  $("attack-progress").max = last.steps;
  $("attack-progress").value = last.step;
  const of = (name) => steps.map((step) => step[name]);
  lines($("attack-chart"), last.steps, of("step"), [
    { name: "loss: cross-entropy", values: of("loss"), show: (v) => v.toFixed(2) },
    { name: "margin: wrong above 0", values: of("margin"), mark: 0, show: (v) => v.toFixed(1) },
    {
      name: "share of draws that are wrong",
      values: of("wrong"),
      low: 0,
      high: 1,
      show: (v) => `${Math.round(100 * v)} %`,
    },
  ]);
}

function setData({ step, steps, loss, margin, wrong }, done) {
  Object.assign($("attack-result").dataset, { step, steps, loss, margin, wrong, done });
}

/** How the attack ended, as a sentence. */
function outcome({ steps, done, noisy }) {
  const { step, steps: most, wrong } = steps.at(-1);
  // Square ends as soon as a model without noise is wrong.
  if (done && step < most) {
    return `The attack fooled the model at step ${step} of ${most} and ended.`;
  }
  const end = done
    ? `The attack is done after ${step} of ${most} steps.`
    : `The attack was ended at step ${step} of ${most}. Its last image is kept.`;
  const found = noisy
    ? `wrong in ${Math.round(100 * wrong)}\u00a0% of ten draws`
    : wrong > 0
      ? "wrong"
      : "still right";
  return `${end} At that step the model was ${found}.`;
}

function start() {
  const { image } = lab;
  const chosen = settings();
  const attack = {
    settings: chosen,
    radius: showRadius(),
    scale: lab.scale,
    noisy: isNoisy(),
    before: image.pixels,
    steps: [],
    pixels: undefined,
    done: false,
  };
  run("attack", async (signal) => {
    lab.attack = attack;
    emit("attack");
    let frame;
    const heard = (step) => {
      attack.steps.push(step);
      setData(step, false);
      frame ??= requestAnimationFrame(() => {
        frame = undefined;
        if (lab.attack !== attack) return;
        $("attack-result").hidden = false;
        $("attack-words").textContent = "The attack is running.";
        draw(attack);
      });
    };
    say("The attack has started.");
    try {
      const { pixels, label } = image;
      attack.pixels = await lab.engine.attack(chosen, pixels, label, heard, signal);
      attack.done = true;
    } finally {
      cancelAnimationFrame(frame);
      if (lab.attack === attack) end(attack);
    }
    await predict(attack.pixels, signal, (values) => {
      distribution($("after-chart"), values, lab.model.classes, image.label);
      $("after-words").textContent = words(values);
      $("after").hidden = false;
    });
  });
}

function end(attack) {
  if (attack.steps.length === 0) {
    lab.attack = undefined;
    emit("attack");
    return;
  }
  $("attack-result").hidden = false;
  draw(attack);
  setData(attack.steps.at(-1), attack.done);
  $("attack-words").textContent = outcome(attack);
  say(outcome(attack));
}

/** What keeps an attack from starting, as a sentence. */
function obstacle() {
  if (!lab.model) return "The model is not here yet.";
  if (lab.image.label === null) return "Choose the true label of your picture in part 1 first.";
  return "";
}

function refresh() {
  const runs = lab.running === "attack";
  const focused = document.activeElement;
  $("start").disabled = runs || lab.running === "judge" || obstacle() !== "";
  $("cancel").disabled = !runs;
  if (focused === $("start") && runs) $("cancel").focus();
  if (focused === $("cancel") && !runs) $("start").focus();
  $("start-why").textContent = obstacle();
  const { attack } = lab;
  $("attack-stale").textContent = attack
    ? outdated("attack", { scale: attack.scale, key: attack.settings.key })
    : "";
}

function clear() {
  if (lab.attack?.steps.length > 0) return;
  // A second attack on an image replaces the first one at its first step.
  if (!lab.attack) $("attack-result").hidden = true;
  $("after").hidden = true;
  for (const name of Object.keys($("attack-result").dataset)) {
    delete $("attack-result").dataset[name];
  }
}

export function wireAttack() {
  setSteps();
  on("model", fit);
  for (const change of ["image", "label", "attack"]) on(change, clear);
  for (const change of ["task", "image", "label", "key", "scale"]) on(change, refresh);
  $("method").onchange = () => {
    setSteps();
    showSettings();
  };
  for (const id of ["epsilon", "steps", "draws"]) $(id).oninput = showSettings;
  $("start").onclick = start;
  $("cancel").onclick = stop;
}

/** The attack runs on a noisy model and averages over draws, so a weaker form of it exists. */
export const averages = ({ settings }) => isNoisy() && settings.draws > 1;
