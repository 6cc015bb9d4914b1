// The part that chooses an image: the strip of embedded images, a picture of one's own, the pad,
// and the true label.

import { $, emit, lab, on, say, warn } from "./lab.js";
import { makePad } from "./pad.js";
import { paintImage } from "./paint.js";
import { inverted, isBright, readPicture } from "./picture.js";

/** The last picture of one's own as it came, before it may be inverted. */
let original;
let clearPad;

/** Shows an image and tells the other parts. @param {import("./lab.js").Image} image */
function show(image) {
  lab.image = image;
  lab.attack = undefined;
  paintImage($("picture"), image.pixels, lab.model, image.name);
  $("picture-name").textContent = image.name;
  $("label").value = image.label === null ? "" : String(image.label);
  $("label").disabled = !image.own;
  $("label-why").textContent = image.own
    ? "Say what your picture shows: the attack and the judgement need to know."
    : "Known for the images that come with the model.";
  for (const [index, button] of [...$("images").children].entries()) {
    button.setAttribute("aria-pressed", String(lab.images[index] === image));
  }
  emit("image");
}

const PICTURE = "your picture";
const DRAWING = "your drawing";

function showOwn(name, pixels, label) {
  show({ pixels, label, name, own: true });
}

function fillStrip() {
  const buttons = lab.images.map((image) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = image.name;
    const canvas = document.createElement("canvas");
    paintImage(canvas, image.pixels, lab.model, image.name);
    button.append(canvas);
    button.onclick = () => {
      forgetPicture();
      show(image);
    };
    return button;
  });
  $("images").replaceChildren(...buttons);
}

function fillLabels() {
  const none = new Option("choose …", "");
  none.disabled = true;
  const options = lab.model.classes.map((name, index) => new Option(name, index));
  $("label").replaceChildren(none, ...options);
}

function forgetPicture() {
  original = undefined;
  $("invert-field").hidden = true;
  $("file-notes").textContent = "";
  clearPad?.();
}

async function open(file) {
  const { model } = lab;
  let read;
  try {
    read = await readPicture(file, model);
  } catch (error) {
    warn(error.message);
    return;
  }
  if (lab.model !== model) return;
  forgetPicture();
  original = read.pixels;
  const bright = model.channels === 1 && isBright(original);
  $("invert").checked = bright;
  $("invert-field").hidden = model.channels !== 1;
  if (bright) read.notes.push("It is bright, so it was inverted: the digits are bright on dark.");
  $("file-notes").textContent = read.notes.join(" ");
  showOwn(PICTURE, bright ? inverted(original) : original, null);
  say(`Your picture is shown. ${read.notes.join(" ")}`);
}

function openFirst(files) {
  if (files.length > 0 && lab.model) open(files[0]);
}

function fillPad() {
  const small = lab.model.channels === 1 && lab.model.width <= 12;
  $("pad-field").hidden = !small;
  clearPad = small
    ? makePad($("pad"), lab.model, (pixels) => {
        original = undefined;
        $("invert-field").hidden = true;
        $("file-notes").textContent = "";
        // One more stroke leaves the label as it was chosen.
        showOwn(DRAWING, pixels, lab.image.name === DRAWING ? lab.image.label : null);
      })
    : undefined;
}

export function wireImages() {
  on("model", () => {
    fillLabels();
    fillStrip();
    fillPad();
    forgetPicture();
    show(lab.images[0]);
  });
  $("file").onchange = (event) => {
    openFirst(event.target.files);
    // The same file can be chosen again.
    event.target.value = "";
  };
  $("invert").onchange = () => {
    showOwn(PICTURE, $("invert").checked ? inverted(original) : original, lab.image.label);
  };
  $("clear").onclick = () => {
    clearPad();
    if (lab.image.name === DRAWING) {
      showOwn(DRAWING, new Float32Array(lab.image.pixels.length), lab.image.label);
    }
    say("The pad is empty.");
  };
  $("label").onchange = () => {
    lab.image.label = Number($("label").value);
    lab.attack = undefined;
    emit("label");
  };
  document.ondragover = (event) => event.preventDefault();
  document.ondrop = (event) => {
    event.preventDefault();
    openFirst(event.dataTransfer.files);
  };
  document.onpaste = (event) => openFirst(event.clipboardData.files);
}
