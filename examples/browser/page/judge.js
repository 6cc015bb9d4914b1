// The judgement: in how many fresh draws the model is right, on the clean image, on the attacked
// one, and on that of the weak attack, which is the same attack with one draw per gradient.

import { averages } from "./attack.js";
import { intervals } from "./charts.js";
import { $, isNoisy, lab, on, outdated, run, say, stop } from "./lab.js";

const BATCH = 20;
const MOST = 500;

/** The judgement shown: `rows` of {id, name, pixels, classes, summary}, scale, key. */
let judgement;

const percent = (value) => `${(100 * value).toFixed(1)}\u00a0%`;

const tries = () => Number($("tries").value);

/**
 * Tells each row anew from the classes of its draws. Without noise there is one pass, which is like
 * every other: one try is as good as Q, and nothing is left to estimate.
 */
async function summarize(now) {
  const { rows, label, noisy } = now;
  for (const row of rows) {
    row.summary = await lab.engine.call("summary", row.classes, label, noisy ? tries() : 1);
    if (!noisy) row.summary.low = row.summary.high = row.summary.probability;
  }
  if (rows.length === 3) now.stronger = await stronger(now);
}

/**
 * Which attack is stronger: "attacked", "weak", or undefined where the draws do not tell. The same
 * draws judge both images. Were the attacks alike, a draw that is right on one image alone would be
 * right on either with probability 1/2; so the interval is asked for 1/2 (McNemar's exact test).
 */
async function stronger({ rows: [, attacked, weak], label }) {
  const onWeak = weak.classes.map((found) => Number(found === label));
  const alone = onWeak.filter((right, draw) => right !== Number(attacked.classes[draw] === label));
  if (alone.length === 0) return undefined;
  const { low, high } = await lab.engine.call("summary", alone, 1, 1);
  return low > 0.5 ? "attacked" : high < 0.5 ? "weak" : undefined;
}

function cell(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (tag === "th") made.scope = "row";
  return made;
}

function show({ rows, noisy }) {
  const told = rows.filter(({ summary }) => summary);
  $("judgement").tBodies[0].replaceChildren(
    ...told.map(({ id, name, summary }) => {
      const row = document.createElement("tr");
      const { draws, right, probability, low, high, vote, best } = summary;
      Object.assign(row.dataset, { image: id, draws, right, low, high });
      const interval = noisy ? `${percent(low)} – ${percent(high)}` : "exact";
      const once = cell("td", percent(probability));
      once.append(Object.assign(cell("span", interval), { className: "interval-text" }));
      row.append(
        cell("th", name),
        cell("td", `${right} of ${draws}`),
        once,
        cell("td", vote ? "right" : "wrong"),
        cell("td", percent(best)),
      );
      return row;
    }),
  );
  $("best-name").textContent = `Best of ${tries()}`;
  if (told.length > 0) {
    $("confidence").textContent = `${100 * told[0].summary.confidence}\u00a0%`;
    intervals(
      $("judge-chart"),
      told.map(({ name, summary }) => ({ name, ...summary })),
    );
  }
  $("judge-result").hidden = told.length === 0;
}

/** How much the weak attack flatters, as a sentence. */
function flattery({ rows, attack, stronger }) {
  const [, attacked, weak] = rows.map(({ summary }) => summary);
  if (!lab.model.stochastic) {
    return "This model has no noise, so there is nothing to average over and no weak attack.";
  }
  if (lab.scale === 0) return "The noise is off, so there is no weak attack to compare with.";
  if (!weak) {
    return (
      `Your attack used ${attack.settings.draws} draw at a time: it is the weak attack itself. ` +
      "With more draws this part compares the two."
    );
  }
  const [a, w] = [percent(attacked.probability), percent(weak.probability)];
  const both = `After the weak attack ${w} of draws are right, after the averaging one ${a}.`;
  if (stronger === "attacked") {
    const points = (100 * (weak.probability - attacked.probability)).toFixed(1);
    return `${both} On this image the weak attack flatters the model by ${points} points.`;
  }
  if (stronger === "weak") {
    return `${both} Here the weak attack found the worse image; the lower number counts.`;
  }
  return `${both} These ${weak.draws} draws do not show that one attack is stronger.`;
}

function tell(text) {
  $("judge-words").textContent = text;
}

/** The same attack with one draw per gradient. */
async function weaken({ settings }, image, signal) {
  const heard = ({ step, steps }) => tell(`Making the weak attack: step ${step} of ${steps}.`);
  const weak = { ...settings, draws: 1 };
  return lab.engine.attack(weak, image.pixels, image.label, heard, signal);
}

function start() {
  const { attack, image, key, scale } = lab;
  const { label } = image;
  const rows = [
    { id: "clean", name: "clean", pixels: image.pixels, classes: [] },
    { id: "attacked", name: "attacked", pixels: attack.pixels, classes: [] },
  ];
  const noisy = isNoisy();
  const now = { rows, attack, label, scale, key, noisy };
  run("judge", async (signal) => {
    judgement = now;
    say("The judgement has started.");
    show(now);
    if (averages(attack)) {
      try {
        attack.weak ??= await weaken(attack, image, signal);
      } finally {
        tell("");
      }
      rows.push({ id: "weak", name: "weakly attacked", pixels: attack.weak, classes: [] });
    }
    const most = noisy ? MOST : 1;
    for (let first = 0; first < most; first += BATCH) {
      const draws = Math.min(BATCH, most);
      for (const row of rows) {
        const found = await lab.engine.call("classes", row.pixels, key, first, draws);
        row.classes.push(...found);
      }
      await summarize(now);
      signal.throwIfAborted();
      show(now);
      tell(flattery(now));
    }
    say(flattery(now));
  });
}

async function retell() {
  $("tries-value").textContent = tries();
  if (!judgement?.rows[0].summary) return;
  const now = judgement;
  await summarize(now);
  if (judgement === now) show(now);
}

/** What keeps a judgement from starting, as a sentence. */
function obstacle() {
  if (lab.running === "attack") return "";
  if (!lab.attack?.done) return "The judgement needs an attack that ran to its end.";
  if (lab.attack.scale !== lab.scale) {
    return "The scale of the noise has changed since the attack. Start the attack again first.";
  }
  return "";
}

function refresh() {
  const runs = lab.running === "judge";
  const focused = document.activeElement;
  const ready = lab.attack?.done && obstacle() === "" && lab.running !== "attack";
  $("judge").disabled = runs || !ready;
  $("stop").disabled = !runs;
  if (focused === $("judge") && runs) $("stop").focus();
  if (focused === $("stop") && !runs) $("judge").focus();
  $("judge-why").textContent = obstacle();
  $("judge-stale").textContent = judgement ? outdated("judgement", judgement) : "";
}

function clear() {
  if (judgement && judgement.attack === lab.attack) return;
  judgement = undefined;
  $("judgement").tBodies[0].replaceChildren();
  $("judge-result").hidden = true;
  tell("");
}

export function wireJudge() {
  for (const change of ["image", "label", "attack"]) on(change, clear);
  for (const change of ["task", "image", "label", "key", "scale", "attack"]) on(change, refresh);
  $("tries").oninput = retell;
  $("judge").onclick = start;
  $("stop").onclick = stop;
}
