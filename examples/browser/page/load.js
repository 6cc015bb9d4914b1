// What the page loads: the program, streamed and compiled, and the two files of a model. Every
// failure is a sentence that names the file.

/** A tiny module with a vector instruction. */
const SIMD = Uint8Array.from(atob("AGFzbQEAAAABBQFgAAF7AwIBAAoKAQgAQQD9D/1iCw=="), (byte) => {
  return byte.charCodeAt(0);
});

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
      "The WebAssembly of this browser has no vector instructions (SIMD), which the program " +
        "uses. Firefox has them from version 89, Chrome and Edge from 91, Safari from 16.4.",
    );
  }
}

async function get(path) {
  let response;
  try {
    // The server is asked each time whether a file has changed: program and weights belong together.
    response = await fetch(new URL(path, import.meta.url), { cache: "no-cache" });
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

/** The bytes of `state.json` and `model.bpk` of a model. */
export function weights(name) {
  const files = ["state.json", "model.bpk"].map(async (file) => {
    const response = await get(`weights/${name}/${file}`);
    return new Uint8Array(await response.arrayBuffer());
  });
  return Promise.all(files);
}
