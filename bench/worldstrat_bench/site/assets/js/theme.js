// The theme: that of the system, or the one that was chosen and is kept.

const KEY = "wsb-theme";
const AFTER = { "": "dark", dark: "light", light: "" };

function kept() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // a browser may forbid storage, and pages opened as files often have none
  }
}

function keep(theme) {
  try {
    if (theme) localStorage.setItem(KEY, theme);
    else localStorage.removeItem(KEY);
  } catch {
    // the choice then lasts as long as the page
  }
}

/** Set the kept theme before the first paint. */
export function startTheme() {
  const theme = kept();
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
}

/** Add the button that goes round the themes. */
export function themeButton() {
  const root = document.documentElement;
  const button = document.createElement("button");
  const show = () => {
    button.textContent = `Theme: ${root.dataset.theme || "auto"}`;
  };
  button.id = "theme";
  button.type = "button";
  show();
  document.querySelector("nav[aria-label=Site]").appendChild(button);
  button.addEventListener("click", () => {
    const theme = AFTER[root.dataset.theme || ""];
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    keep(theme);
    show();
  });
}
