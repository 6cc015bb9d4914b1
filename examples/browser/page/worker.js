// The worker: the only place that touches the WebAssembly module. It answers the calls of
// engine.js one after the other, so a call may be posted before the one ahead of it is done.

let cni;
let session;

const calls = {
  async start(module) {
    cni = await import("./pkg/cni_browser.js").catch(() => {
      throw new Error("The file pkg/cni_browser.js could not be loaded.");
    });
    await cni.default({ module_or_path: module });
    return JSON.parse(cni.models());
  },

  /** Opens a model. A model that cannot be opened leaves the former one in place. */
  open(name, state, weights) {
    const opened = new cni.Session(name, state, weights);
    session?.free();
    session = opened;
    const model = JSON.parse(session.describe());
    return { model, images: model.images.map((_, index) => session.image(index)) };
  },

  scale: (factor) => session.set_scale(factor),
  predict: (...args) => session.predict(...args),
  attack: (settings, ...args) => session.attack(JSON.stringify(settings), ...args),
  classes: (...args) => session.classes(...args),
  summary: (classes, ...args) => JSON.parse(session.summary(Uint32Array.from(classes), ...args)),
  noise: (layer) => JSON.parse(session.noise(layer)),
  code: (settings, ...args) => session.code(JSON.stringify(settings), ...args),
};

async function answer({ id, call, args }) {
  try {
    const steps = call === "attack" ? [(step) => postMessage({ id, step })] : [];
    postMessage({ id, value: await calls[call](...args, ...steps) });
  } catch (error) {
    // After a trap or refused memory the instance is not fit for use.
    const trap = error instanceof WebAssembly.RuntimeError || error instanceof RangeError;
    postMessage({ id, error: String(error?.message ?? error), trap });
  }
}

let queue = Promise.resolve();
onmessage = ({ data }) => {
  queue = queue.then(() => answer(data));
};
