// What the page loads: the program, streamed and compiled, and the two files of a model, kept once
// they are here. Every failure is a sentence that names the file.

/** The smallest module with a vector instruction. */
const SIMD = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15,
  253, 98, 11,
);

/** Throws a sentence where the browser lacks what the program needs. */
export function checkBrowser() {
  if (typeof WebAssembly !== "object") {
    throw new Error(
      "This browser has no WebAssembly, or it is switched off, so the networks cannot run here. " +
        "A current Firefox, Chrome, Edge or Safari has it.",
    );
  }
  if (!WebAssembly.validate(SIMD)) {
    throw new Error(
      "The WebAssembly of this browser has no vector instructions (SIMD), which the program uses. " +
        "Firefox has them from version 89, Chrome and Edge from 91, Safari from 16.4.",
    );
  }
}

async function get(path) {
  let response;
  try {
    response = await fetch(new URL(path, import.meta.url));
  } catch {
    throw new Error(`The file ${path} could not be fetched: the server does not answer.`);
  }
  if (response.ok) return response;
  const status = `HTTP ${response.status}`;
  throw new Error(
    response.status === 404
      ? `The file ${path} is not on the server (${status}).`
      : `The server refused the file ${path} (${status}).`,
  );
}

/** Compiles the program while it arrives; `onBytes` hears how much of it is here. */
export async function program(onBytes) {
  const path = "pkg/cni_browser_bg.wasm";
  const response = await get(path);
  let bytes = 0;
  const counter = new TransformStream({
    transform(chunk, controller) {
      onBytes((bytes += chunk.byteLength));
      controller.enqueue(chunk);
    },
  });
  // With a type of our own the stream compiles whatever type the server sends.
  const headers = { "content-type": "application/wasm" };
  const counted = new Response(response.body.pipeThrough(counter), { headers });
  try {
    return await (WebAssembly.compileStreaming
      ? WebAssembly.compileStreaming(counted)
      : WebAssembly.compile(await counted.arrayBuffer()));
  } catch (error) {
    throw error instanceof RangeError
      ? new Error(`The browser refused the memory that the program needs (${error.message}).`)
      : new Error(`The file ${path} is not a program that this browser can run: ${error.message}`);
  }
}

const kept = new Map();

/** The bytes of `state.json` and `model.bpk` of a model. */
export function weights(name) {
  if (!kept.has(name)) {
    const files = ["state.json", "model.bpk"].map(async (file) => {
      const response = await get(`weights/${name}/${file}`);
      return new Uint8Array(await response.arrayBuffer());
    });
    const both = Promise.all(files);
    // What failed is fetched anew the next time.
    both.catch(() => kept.delete(name));
    kept.set(name, both);
  }
  return kept.get(name);
}
