/** A dialog with one dead letter: the rejected event beside what the declaration expects. */
import { get } from "./api.js";
import { scrollTable, smallButton, tableRow } from "./controls.js";
import { byId, fill, h } from "./dom.js";
import { t } from "./language.js";

/**
 * Reads a dead letter and opens the dialog.
 *
 * @param {string} origin name of the rejected record: `topic/partition/offset`
 */
export async function showDeadLetter(origin) {
  const deadLetter = await get(`/api/dead-letter?origin=${encodeURIComponent(origin)}`);
  const dialog = /** @type {HTMLDialogElement} */ (byId("dialog"));
  const headers = Object.entries(deadLetter.headers).map(([name, value]) => `${name}: ${value}`);
  const title = `${deadLetter.reason} · ${t(`dead-letters.state.${deadLetter.state}`)}`;
  fill(
    dialog,
    h(
      "div",
      { class: "card-head" },
      h("h2", { id: "dialog-title" }, title),
      smallButton(t("close"), "close", () => dialog.close()),
    ),
    h("dl", {}, ...facts(deadLetter)),
    fieldTable(deadLetter.event),
    details(t("dead-letter.headers"), headers.join("\n")),
    deadLetter.stack && details(t("dead-letter.stack"), deadLetter.stack),
  );
  dialog.showModal();
}

/** @param {any} deadLetter */
const facts = (deadLetter) =>
  ["means", "remedy", "detail", "origin"].flatMap((name) => [
    h("dt", {}, t(`dead-letter.${name}`)),
    h("dd", {}, deadLetter[name]),
  ]);

/** @param {string} title @param {string} text */
const details = (title, text) => h("details", {}, h("summary", {}, title), h("pre", { tabindex: "0" }, text));

/** @param {any} event */
function fieldTable({ unreadable, fields }) {
  if (unreadable) return h("p", { class: "note", "data-level": "error" }, unreadable);
  // Fields with a problem first.
  const sorted = fields.toSorted(
    (/** @type {any} */ a, /** @type {any} */ b) => Number(b.problem !== null) - Number(a.problem !== null),
  );
  const rows = sorted.map((/** @type {any} */ { field, value, expected, problem }) =>
    tableRow(
      field,
      h("span", { class: "id" }, value ?? "–"),
      h("span", { class: "id" }, schemaText(expected)),
      h("span", { class: "error-text" }, problem),
    ),
  );
  const headings = ["field", "value", "expected", "problem"].map((name) => t(`dead-letter.${name}`));
  return scrollTable(t("dead-letter.field"), headings, rows);
}

/** A short form of a field's JSON Schema. @param {string | null} schema */
function schemaText(schema) {
  if (schema === null) return "–";
  const { type, format, pattern, rules: _, ...rest } = JSON.parse(schema);
  const shape = format ?? (pattern && pattern !== "^" ? pattern : null);
  const more = Object.entries(rest).map(
    ([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`,
  );
  return [type, shape, ...more].filter(Boolean).join(", ");
}
