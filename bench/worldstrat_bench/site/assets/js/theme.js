// The theme: that of the system, or the one that was chosen and is kept.
import { el, find, on } from "./dom.js";

const KEY = "wsb-theme";
const AFTER = { "": "dark", dark: "light", light: "" };

/** Read or write the choice; a browser may forbid it, and the choice then lasts as long as the page. */
function stored(act) {
  try {
    return act(localStorage);
  } catch {
    return null;
  }
}

/** Set the kept theme before the first paint. */
export function startTheme() {
  const theme = stored((store) => store.getItem(KEY));
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
}

/** Add the button that goes round the themes. */
export function themeButton() {
  const root = document.documentElement;
  const button = el("button", null, { id: "theme", type: "button" });
  const show = () => {
    button.textContent = `Theme: ${root.dataset.theme || "auto"}`;
  };
  show();
  find("nav[aria-label=Site]").append(button);
  on(button, "click", () => {
    const theme = AFTER[root.dataset.theme || ""];
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    stored((store) => store.setItem(KEY, theme));
    show();
  });
}
