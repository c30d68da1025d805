// What starts when: colours before the first paint, the rest when the page is there.
import { findAll, on } from "./dom.js";
import { followAddress } from "./link.js";
import { startTheme, themeButton } from "./theme.js";

/**
 * Start a page. `parts` are [selector, set up] each: what matches is set up in their order, and what a set-up returns
 * is called with every address that is pasted into the open page or gone back to.
 */
export function start(parts) {
  startTheme();
  document.documentElement.classList.add("js");
  on(document, "DOMContentLoaded", () => {
    themeButton();
    const follow = parts.flatMap(([selector, setUp]) => findAll(selector).map((node) => setUp(node)));
    followAddress(() => {
      for (const one of follow) one?.();
    });
  });
}
