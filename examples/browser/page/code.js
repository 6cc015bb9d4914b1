// The same in Rust: the program for the image and the settings of the attack, shown and copied.

import { settings } from "./attack.js";
import { $, lab, on, say, warn } from "./lab.js";

async function show() {
  const { pixels, label } = lab.image;
  try {
    if (label === null) throw new Error("Choose the true label of your picture in part 1 first.");
    $("code").textContent = await lab.engine.call("code", settings(), pixels, label);
    $("code").hidden = false;
  } catch (error) {
    warn(error.message);
  }
}

function tell(text) {
  $("copy-words").textContent = text;
  say(text);
}

async function copy() {
  // The program is written after the attack that runs.
  tell("Writing the program …");
  await show();
  tell("");
  if ($("code").hidden) return;
  try {
    await navigator.clipboard.writeText($("code").textContent);
    tell("The program is in the clipboard.");
  } catch {
    getSelection().selectAllChildren($("code"));
    tell("The browser does not let the page copy. The program is selected: copy it from there.");
  }
}

export function wireCode() {
  $("copy").onclick = copy;
  for (const change of ["settings", "key", "image", "label", "scale"]) {
    on(change, () => {
      $("copy-words").textContent = "";
      if ($("code").hidden) return;
      // A picture without a label has no program.
      $("code").hidden = lab.image.label === null;
      if (!$("code").hidden) show();
    });
  }
}
