/** Buttons, tables and selects that several panels use. */
import { h } from "./dom.js";

/**
 * A small button.
 *
 * @param {string} label @param {string} key keeps the focus when its panel is drawn again
 * @param {() => unknown} onclick
 * @param {import("./dom.js").Attributes} [attributes] more attributes; `class` is added to the button's own
 */
export const smallButton = (label, key, onclick, { class: more = "", ...attributes } = {}) =>
  h("button", { class: `button small ${more}`.trim(), type: "button", "data-key": key, onclick, ...attributes }, label);

/**
 * A table that scrolls sideways where it is too wide.
 *
 * @param {string} label for screen readers @param {string[]} headings @param {HTMLTableRowElement[]} rows
 */
export const scrollTable = (label, headings, rows) =>
  h(
    "div",
    { class: "scroll", tabindex: "0", role: "group", "aria-label": label },
    h("table", {}, tableHead(headings), h("tbody", {}, ...rows)),
  );

/** @param {string[]} headings @returns {HTMLTableSectionElement} */
export const tableHead = (headings) =>
  h("thead", {}, h("tr", {}, ...headings.map((heading) => h("th", { scope: "col" }, heading))));

/**
 * A row whose first cell is its heading.
 *
 * @param {import("./dom.js").Child} heading @param {...import("./dom.js").Child} cells
 */
export const tableRow = (heading, ...cells) =>
  h("tr", {}, h("th", { scope: "row" }, heading), ...cells.map((cell) => h("td", {}, cell)));

/**
 * A select with its label.
 *
 * @param {string} id @param {string} label @param {import("./dom.js").Attributes} attributes
 * @param {HTMLOptionElement[]} options
 */
export const labelledSelect = (id, label, attributes, options) =>
  h(
    "div",
    { class: "choose" },
    h("label", { class: "label", for: id }, label),
    h("select", { id, "data-key": id, ...attributes }, ...options),
  );
