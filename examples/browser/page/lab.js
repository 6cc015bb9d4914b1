// The lab: what the page knows (model, image, attack), who hears when it changes, the tasks, of
// which one runs at a time, and what the page says.

/** @typedef {{pixels: Float32Array, label: number | null, name: string, own: boolean}} Image */

export const lab = {
  /** @type {import("./engine.js").Engine | undefined} */
  engine: undefined,
  /** The description of the open model. */
  model: undefined,
  /** The embedded images of the model. @type {Image[]} */
  images: [],
  /** @type {Image | undefined} */
  image: undefined,
  key: 1,
  scale: 1,
  /** The last attack on this image: settings, scale, pixels, done. */
  attack: undefined,
  /** What runs: undefined, or the word given to `run`. */
  running: undefined,
};

/** Whether two draws of the model can differ. */
export const isNoisy = () => lab.model.stochastic && lab.scale > 0;

/** Says that a result was made with another scale or key than now's; empty where it was not. */
export function outdated(result, { scale, key }) {
  const [then, now] = [scale.toFixed(2), lab.scale.toFixed(2)];
  if (then !== now) {
    return `This ${result} was made with the noise at scale ${then}; it is at ${now} now.`;
  }
  if (key === lab.key) return "";
  return `This ${result} was made with the key ${key}; it is ${lab.key} now.`;
}

const events = new EventTarget();

/** Calls `heard` after every change of that name: model, image, noise, attack or task. */
export const on = (name, heard) => events.addEventListener(name, heard);

export const emit = (name) => events.dispatchEvent(new Event(name));

/** The element of an id. */
export const $ = (id) => document.getElementById(id);

/** Says a result to those who do not see it. */
export function say(text) {
  $("status").textContent = text;
}

const clearWarning = () => $("alert").replaceChildren();

/** Shows a problem until the next task, with a button where trying again may help. */
export function warn(text, again) {
  const line = Object.assign(document.createElement("p"), { textContent: text });
  const choices = again ? { "Try again": again, Close: clearWarning } : { Close: clearWarning };
  const buttons = Object.entries(choices).map(([textContent, onclick]) =>
    Object.assign(document.createElement("button"), { type: "button", textContent, onclick }),
  );
  $("alert").replaceChildren(line, ...buttons);
}

function setState(running) {
  lab.running = running;
  const rest = lab.model ? "ready" : "failed";
  document.body.dataset.state = running === "load" ? "loading" : running ? "busy" : rest;
  emit("task");
}

/** Of the task that was asked for last, and of the one that works. */
let control;
let working;
let last = Promise.resolve();

/**
 * Runs a task. It ends the one that runs, except that an attack or a judgement lets a prediction
 * finish. A task that was ended keeps quiet.
 * @param {"load" | "predict" | "attack" | "judge"} name
 * @param {(signal: AbortSignal) => Promise<void>} work
 * @param {() => void} [again] offered where the task fails
 */
export function run(name, work, again) {
  // Another model is wanted already: the one just loaded makes no prediction.
  if (name === "predict" && lab.running === "load" && control !== working) return last;
  const waits = lab.running === "predict" && (name === "attack" || name === "judge");
  if (!waits) control?.abort();
  const mine = new AbortController();
  control = mine;
  clearWarning();
  setState(name);
  last = last.then(async () => {
    try {
      mine.signal.throwIfAborted();
      working = mine;
      await work(mine.signal);
    } catch (error) {
      if (!mine.signal.aborted) warn(error.message, again);
    }
    if (control === mine) setState(undefined);
  });
  return last;
}

/** Ends the task that runs; its results so far stay. */
export const stop = () => control?.abort();
