/** Texts and number formats in the page's language: the user's choice, else the browser's preference, else English. */
import { readChoice, saveChoice } from "./storage.js";
import { texts } from "./texts.js";

const STORAGE_KEY = "lockstep.language";
/** @type {readonly ("en" | "pt")[]} */
const languages = ["en", "pt"];

/** @type {"en" | "pt"} */
let current = "en";
/** @type {Set<() => void>} */
const listeners = new Set();

/**
 * Chooses the first known language of a list.
 *
 * @param {readonly (string | null | undefined)[]} preferred language codes such as `pt-BR`, most preferred first
 * @returns {"en" | "pt"} English when none is known
 */
export function chooseLanguage(preferred) {
  for (const tag of preferred) {
    const known = languages.find((code) => tag?.toLowerCase().split("-")[0] === code);
    if (known) return known;
  }
  return "en";
}

/** Sets the language and connects the buttons that switch it. */
export function startLanguage() {
  setLanguage(chooseLanguage([readChoice(STORAGE_KEY), ...navigator.languages]));
  for (const button of document.querySelectorAll("[data-language]"))
    button.addEventListener("click", () => {
      const chosen = chooseLanguage([button.getAttribute("data-language")]);
      saveChoice(STORAGE_KEY, chosen);
      setLanguage(chosen);
    });
}

/** The current language: part of what a panel compares to decide whether to draw again. */
export const language = () => current;

/** @param {() => void} listener called after the language has changed */
export function onLanguage(listener) {
  listeners.add(listener);
}

/**
 * The text of a key in the current language.
 *
 * @param {string} key
 * @param {Record<string, string | number | null | undefined>} [values] replace `{name}`; numbers are formatted
 */
export function t(key, values = {}) {
  const text = texts[key]?.[current] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? formatNumber(value) : (value ?? "");
  });
}

/** @param {string} key */
export const hasText = (key) => key in texts;

/** @param {number} value @param {number} [maxDigits] after the decimal separator */
export const formatNumber = (value, maxDigits = 1) =>
  new Intl.NumberFormat(current, { maximumFractionDigits: maxDigits }).format(value);

/** Milliseconds without a unit, with one decimal below 10. @param {number | null | undefined} ms */
export const formatMs = (ms) => (ms == null ? "–" : formatNumber(ms, ms < 10 ? 1 : 0));

/** `12 ms`, `3.3 s`. @param {number | null | undefined} ms */
export const formatDuration = (ms) =>
  ms == null ? "–" : ms < 1_000 ? `${formatMs(ms)} ms` : `${formatNumber(ms / 1_000, ms < 100_000 ? 1 : 0)} s`;

/** `14:03:59`. @param {number} atMs milliseconds since 1970 */
export const formatTime = (atMs) =>
  new Intl.DateTimeFormat(current, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }).format(
    atMs,
  );

/** `5 minutes ago`. @param {number} atMs milliseconds since 1970 @param {number} nowMs */
export function formatAge(atMs, nowMs) {
  const seconds = Math.min(0, Math.round((atMs - nowMs) / 1_000));
  const relative = new Intl.RelativeTimeFormat(current, { numeric: "auto" });
  if (seconds > -60) return relative.format(seconds, "second");
  if (seconds > -3_600) return relative.format(Math.round(seconds / 60), "minute");
  if (seconds > -86_400) return relative.format(Math.round(seconds / 3_600), "hour");
  return relative.format(Math.round(seconds / 86_400), "day");
}

/** @param {"en" | "pt"} chosen */
function setLanguage(chosen) {
  current = chosen;
  document.documentElement.lang = chosen === "pt" ? "pt-BR" : "en";
  for (const button of document.querySelectorAll("[data-language]"))
    button.setAttribute("aria-pressed", String(button.getAttribute("data-language") === chosen));
  for (const element of document.querySelectorAll("[data-t]"))
    element.textContent = t(element.getAttribute("data-t") ?? "");
  for (const element of document.querySelectorAll("[data-t-label]"))
    element.setAttribute("aria-label", t(element.getAttribute("data-t-label") ?? ""));
  for (const listener of listeners) listener();
}
