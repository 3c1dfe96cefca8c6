/** One dead letter whole, in a dialog: the event beside what was expected. */
import { ask } from "./api.js";
import { byId, fill, h } from "./dom.js";
import { t } from "./language.js";

/** @param {string} origin */
export async function showLetter(origin) {
  const letter = await ask(`/api/dead-letter?origin=${encodeURIComponent(origin)}`);
  const dialog = /** @type {HTMLDialogElement} */ (byId("dialog"));
  fill(
    dialog,
    h(
      "div",
      { class: "card-head" },
      h("h2", { id: "dialog-title" }, `${letter.reason} · ${t(`letters.state.${letter.state}`)}`),
      h("button", { class: "button small", type: "button", onclick: () => dialog.close() }, t("close")),
    ),
    h("dl", {}, ...facts(letter)),
    table(letter.event),
    details(
      t("letter.headers"),
      Object.entries(letter.headers)
        .map(([name, value]) => `${name}: ${value}`)
        .join("\n"),
    ),
    letter.stack && details(t("letter.stack"), letter.stack),
  );
  dialog.showModal();
}

/** @param {any} letter */
const facts = (letter) =>
  [
    ["means", letter.means],
    ["remedy", letter.remedy],
    ["detail", letter.detail],
    ["origin", letter.origin],
  ].flatMap(([name, value]) => [h("dt", {}, t(`letter.${name}`)), h("dd", {}, value)]);

/** @param {string} title @param {string} text */
const details = (title, text) => h("details", {}, h("summary", {}, title), h("pre", { tabindex: "0" }, text));

/** @param {any} event */
function table({ unreadable, fields }) {
  if (unreadable) return h("p", { class: "note", "data-level": "bad" }, unreadable);
  // What is wrong is what one looks for.
  const sorted = fields.toSorted(
    (/** @type {any} */ a, /** @type {any} */ b) => Number(b.problem !== null) - Number(a.problem !== null),
  );
  const rows = sorted.map((/** @type {any} */ { field, value, expected, problem }) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, field),
      h("td", { class: "id" }, value ?? "–"),
      h("td", { class: "id" }, expectedText(expected)),
      h("td", { class: problem ? "wrong" : null }, problem ?? ""),
    ),
  );
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "group", "aria-label": t("letter.field") },
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ...["field", "value", "expected", "problem"].map((name) => h("th", { scope: "col" }, t(`letter.${name}`))),
        ),
      ),
      h("tbody", {}, ...rows),
    ),
  );
}

/** A declaration's JSON Schema without what only machines read. @param {string | null} expected */
function expectedText(expected) {
  if (expected === null) return "–";
  const { type, format, pattern, rules: _, ...rest } = JSON.parse(expected);
  const shape = format ?? (pattern && pattern !== "^" ? pattern : null);
  const more = Object.entries(rest).map(
    ([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`,
  );
  return [type, shape, ...more].filter(Boolean).join(", ");
}
