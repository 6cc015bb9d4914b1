// The same in Rust: the program for the settings of the attack, shown and copied.

import { settings } from "./attack.js";
import { $, lab, on, say, warn } from "./lab.js";

async function show() {
  try {
    $("code").textContent = await lab.engine.call("code", settings());
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
  await show();
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
  for (const change of ["settings", "key"]) {
    on(change, () => {
      $("copy-words").textContent = "";
      if (!$("code").hidden && lab.model) show();
    });
  }
}
