/** The language that the page speaks: what the person chose, else what the browser asks for, else English. */
import { texts } from "./texts.js";

const KEY = "lockstep.language";
/** @type {readonly ("en" | "pt")[]} */
export const languages = ["en", "pt"];

/** @type {"en" | "pt"} */
let current = "en";
/** @type {Set<() => void>} */
const listeners = new Set();

/**
 * The first language that is known among those that are wished for.
 *
 * @param {readonly (string | null | undefined)[]} wished as `pt-BR`
 * @returns {"en" | "pt"}
 */
export function chooseLanguage(wished) {
  for (const wish of wished) {
    const known = languages.find((one) => wish?.toLowerCase().split("-")[0] === one);
    if (known) return known;
  }
  return "en";
}

export function startLanguage() {
  setLanguage(chooseLanguage([read(), ...navigator.languages]), false);
  for (const button of document.querySelectorAll("[data-language]"))
    button.addEventListener("click", () => setLanguage(chooseLanguage([button.getAttribute("data-language")]), true));
}

/** What the page speaks now: who draws only what has changed has to draw anew with it. */
export const language = () => current;

/** @param {() => void} listener called whenever another language was chosen */
export function onLanguage(listener) {
  listeners.add(listener);
}

/**
 * A sentence, with its places filled.
 *
 * @param {string} key
 * @param {Record<string, string | number | null | undefined>} [values] numbers are written as the language does
 */
export function t(key, values = {}) {
  const text = texts[key]?.[current] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? number(value) : (value ?? "");
  });
}

/** @param {string} key */
export const has = (key) => key in texts;

/** @param {number} value @param {number} [digits] most digits after the point */
export const number = (value, digits = 1) =>
  new Intl.NumberFormat(current, { maximumFractionDigits: digits }).format(value);

/** Milliseconds, as exact as anybody needs them. @param {number | null | undefined} ms */
export const milliseconds = (ms) => (ms == null ? "–" : number(ms, ms < 10 ? 1 : 0));

/** `12 ms`, `3.3 s`. @param {number | null | undefined} ms */
export const duration = (ms) =>
  ms == null ? "–" : ms < 1_000 ? `${milliseconds(ms)} ms` : `${number(ms / 1_000, ms < 100_000 ? 1 : 0)} s`;

/** @param {number} atMs milliseconds since 1970 */
export const clock = (atMs) =>
  new Intl.DateTimeFormat(current, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }).format(
    atMs,
  );

/** `5 minutes ago`. @param {number} atMs milliseconds since 1970 @param {number} nowMs */
export function ago(atMs, nowMs) {
  const seconds = Math.min(0, Math.round((atMs - nowMs) / 1_000));
  const relative = new Intl.RelativeTimeFormat(current, { numeric: "auto" });
  if (seconds > -60) return relative.format(seconds, "second");
  if (seconds > -3_600) return relative.format(Math.round(seconds / 60), "minute");
  if (seconds > -86_400) return relative.format(Math.round(seconds / 3_600), "hour");
  return relative.format(Math.round(seconds / 86_400), "day");
}

/** @param {"en" | "pt"} language @param {boolean} remember */
function setLanguage(language, remember) {
  current = language;
  if (remember) write(language);
  document.documentElement.lang = language === "pt" ? "pt-BR" : "en";
  for (const button of document.querySelectorAll("[data-language]"))
    button.setAttribute("aria-pressed", String(button.getAttribute("data-language") === language));
  for (const element of document.querySelectorAll("[data-t]"))
    element.textContent = t(element.getAttribute("data-t") ?? "");
  for (const element of document.querySelectorAll("[data-t-label]"))
    element.setAttribute("aria-label", t(element.getAttribute("data-t-label") ?? ""));
  for (const listener of listeners) listener();
}

function read() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/** @param {string} language */
function write(language) {
  try {
    localStorage.setItem(KEY, language);
  } catch {
    // A browser that keeps nothing: the choice lasts as long as the page.
  }
}
