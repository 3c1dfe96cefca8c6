/** Light or dark: the user's choice, else the system's preference. */
import { byId, fill, s } from "./dom.js";
import { onLanguage, t } from "./language.js";
import { readChoice, saveChoice } from "./storage.js";

const STORAGE_KEY = "lockstep.theme";
const systemDark = matchMedia("(prefers-color-scheme: dark)");

/** Sets the theme and connects the button that switches it. */
export function startTheme() {
  const button = byId("theme");
  const root = document.documentElement;
  const isDark = () => (root.dataset.theme ?? (systemDark.matches ? "dark" : "light")) === "dark";
  const draw = () => {
    const label = t(isDark() ? "theme.light" : "theme.dark");
    button.setAttribute("aria-label", label);
    button.title = label;
    fill(button, isDark() ? sun() : moon());
  };
  const chosen = readChoice(STORAGE_KEY);
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    saveChoice(STORAGE_KEY, root.dataset.theme);
    draw();
  });
  systemDark.addEventListener("change", draw);
  onLanguage(draw);
  draw();
}

const sun = () =>
  s(
    "svg",
    { viewBox: "0 0 24 24", "aria-hidden": "true" },
    s("circle", { cx: 12, cy: 12, r: 4 }),
    s("path", { d: "M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6 7 7M17 17l1.4 1.4M5.6 18.4 7 17M17 7l1.4-1.4" }),
  );

const moon = () =>
  s(
    "svg",
    { viewBox: "0 0 24 24", "aria-hidden": "true" },
    s("path", { d: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5Z" }),
  );
