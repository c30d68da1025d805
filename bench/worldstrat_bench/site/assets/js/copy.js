// A button above each text that is there to be copied.
import { el, on } from "./dom.js";

/** Add the button to a box of preformatted text. */
export function copyable(box) {
  if (!navigator.clipboard) return;
  const button = el("button", "Copy", { type: "button", class: "copy" });
  on(button, "click", async () => {
    await navigator.clipboard.writeText(box.textContent);
    button.textContent = "Copied";
    setTimeout(() => {
      button.textContent = "Copy";
    }, 1500);
  });
  box.before(button);
}
