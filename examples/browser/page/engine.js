// The engine: the worker as promises. It starts the worker again after a cancelled call or a trap,
// with the compiled module and the bytes of the model that it keeps.

const WITHOUT_WORKERS =
  "This browser cannot run modules in a worker, which this page needs to stay responsive. " +
  "A current Firefox, Chrome, Edge or Safari can.";

/** A worker of ES modules; throws a sentence where the browser has none. */
function moduleWorker() {
  let asked = false;
  const options = {
    // Browsers without module workers never read this.
    get type() {
      asked = true;
      return "module";
    },
  };
  let worker;
  try {
    worker = new Worker(new URL("./worker.js", import.meta.url), options);
  } catch {
    throw new Error(WITHOUT_WORKERS);
  }
  if (!asked) {
    worker.terminate();
    throw new Error(WITHOUT_WORKERS);
  }
  return worker;
}

export class Engine {
  #module;
  #worker;
  /** The calls that are not answered yet, in their order. */
  #calls = new Map();
  #count = 0;
  #opened;
  #scale = 1;

  /** @param {WebAssembly.Module} module the compiled program */
  constructor(module) {
    this.#module = module;
  }

  /** Starts the worker; the models that the program knows. */
  async start() {
    this.#worker = moduleWorker();
    this.#worker.onmessage = ({ data }) => this.#receive(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(new Error(`The worker could not run. ${event.message ?? ""}`.trim()));
    };
    return this.#post("start", [this.#module]);
  }

  /** Opens a model from the bytes of its two files: its description and its images. */
  async open(...nameStateWeights) {
    const opened = await this.#post("open", nameStateWeights);
    this.#opened = nameStateWeights;
    this.#scale = 1;
    return opened;
  }

  /** Multiplies the learned noise. */
  scale(factor) {
    this.#scale = factor;
    return this.#post("scale", [factor]);
  }

  /** One call of the session by its name. */
  call(name, ...args) {
    return this.#post(name, args);
  }

  /** An attack; the signal ends it at once, together with its worker. */
  async attack(settings, pixels, label, onStep, signal) {
    signal.throwIfAborted();
    const id = this.#count;
    const end = () => {
      this.#take(id).reject(signal.reason);
      this.#restart();
    };
    signal.addEventListener("abort", end);
    try {
      return await this.#post("attack", [settings, pixels, label], onStep);
    } finally {
      signal.removeEventListener("abort", end);
    }
  }

  #post(call, args, onStep) {
    return new Promise((resolve, reject) => {
      this.#send({ call, args, onStep, resolve, reject });
    });
  }

  #send(request) {
    const id = this.#count++;
    this.#calls.set(id, request);
    this.#worker.postMessage({ id, call: request.call, args: request.args });
  }

  #take(id) {
    const request = this.#calls.get(id);
    this.#calls.delete(id);
    return request;
  }

  #receive({ id, step, value, error, trap }) {
    if (step) {
      this.#calls.get(id).onStep(step);
      return;
    }
    const { call, args, resolve, reject } = this.#take(id);
    if (error === undefined) {
      resolve(value);
    } else if (!trap) {
      reject(new Error(error));
    } else if (call === "start") {
      reject(new Error(`The browser refused the memory that the program needs (${error}).`));
    } else {
      reject(
        new Error(
          `The program broke off (${error}). A fresh one has been started; what you see is kept. ` +
            "Smaller settings need less memory.",
        ),
      );
      // A model that breaks the program while it is opened again would do so for ever.
      if (args === this.#opened) this.#opened = undefined;
      this.#restart();
    }
  }

  /** A fresh worker with the same model and scale, which takes over the calls that wait. */
  #restart() {
    this.#worker.terminate();
    const waiting = [...this.#calls.values()].filter(({ again }) => !again);
    this.#calls.clear();
    const before = [this.start()];
    if (this.#opened) {
      before.push(this.#post("open", this.#opened), this.#post("scale", [this.#scale]));
    }
    for (const request of this.#calls.values()) request.again = true;
    Promise.all(before).catch((error) => this.#fail(error));
    for (const request of waiting) this.#send(request);
  }

  #fail(error) {
    for (const { reject } of this.#calls.values()) reject(error);
    this.#calls.clear();
  }
}
