/** Controls made from what a declaration says of its fields, as JSON Schema. No entity's field is named here. */
import { h } from "./dom.js";
import { t } from "./language.js";

const LONG = 300;

/** @typedef {import("./state.js").Field} Field @typedef {"choice" | "yes-no" | "whole" | "number" | "list" | "long" | "line" | "json"} Kind */

/** Which control a field has. Pure. @param {Field} field @returns {Kind} */
export function kindOf({ schema }) {
  if (Array.isArray(schema.enum)) return "choice";
  if (schema.type === "boolean") return "yes-no";
  if (schema.type === "integer") return "whole";
  if (schema.type === "number") return "number";
  if (schema.type === "array" && schema.items?.type === "string") return "list";
  if (schema.type === "string") return (schema.maxLength ?? 0) > LONG ? "long" : "line";
  return "json";
}

/** The text that stands in a control for a value. Pure. @param {Field} field @param {any} value */
export function textOf(field, value) {
  if (value === undefined || value === null) return "";
  const kind = kindOf(field);
  if (kind === "list") return value.join(", ");
  return kind === "json" ? JSON.stringify(value) : String(value);
}

/**
 * The value that a text in a control means; undefined for nothing. What cannot be read stays the text, and the gateway says what is wrong with it.
 * Pure.
 *
 * @param {Field} field @param {string} text @returns {any}
 */
export function writtenIn(field, text) {
  const kind = kindOf(field);
  if (kind === "list")
    return text
      .split(",")
      .map((part) => part.trim())
      .filter(Boolean);
  if (kind === "yes-no") return text === "true";
  if (text === "" && kind !== "long" && kind !== "line") return undefined;
  if (kind === "whole" || kind === "number") return Number.isNaN(Number(text)) ? text : Number(text);
  if (kind !== "json") return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A field with its label, hint and place for what is wrong. @param {Field} field @param {string} text */
export function fieldOf(field, text) {
  const id = `field-${field.name}`;
  const hints = hintsOf(field);
  const control = controlOf(field, text, {
    id,
    name: field.name,
    "aria-describedby": `${id}-hint ${id}-wrong`,
    "data-key": id,
  });
  return h(
    "div",
    { class: kindOf(field) === "long" ? "field wide" : "field" },
    h("label", { for: id }, field.name),
    control,
    h("span", { class: "hint", id: `${id}-hint` }, hints.join(" · ")),
    h("span", { class: "wrong", id: `${id}-wrong` }),
  );
}

/** @param {Field} field @param {string} text @param {Record<string, unknown>} attributes */
function controlOf(field, text, attributes) {
  const { schema } = field;
  switch (kindOf(field)) {
    case "choice":
      return select(attributes, schema.enum.map(String), text);
    case "yes-no":
      return select(attributes, ["false", "true"], text || "false");
    case "long":
      return h("textarea", { ...attributes, rows: 2, maxlength: schema.maxLength }, text);
    default: {
      const input = h("input", {
        ...attributes,
        type: "text",
        autocomplete: "off",
        spellcheck: "false",
        inputmode: modeOf(field),
      });
      input.value = text;
      return input;
    }
  }
}

/** @param {Field} field */
const modeOf = (field) => (kindOf(field) === "whole" ? "numeric" : kindOf(field) === "number" ? "decimal" : null);

/** @param {Record<string, unknown>} attributes @param {string[]} choices @param {string} chosen */
function select(attributes, choices, chosen) {
  const element = h("select", attributes, ...choices.map((choice) => h("option", { value: choice }, choice)));
  element.value = chosen;
  return element;
}

/** @param {Field} field */
function hintsOf(field) {
  const { schema } = field;
  const { minimum: min, maximum: max } = schema;
  const bounded = max !== undefined && max < 1e9;
  return [
    field.private && t("write.private"),
    field.unique && t("write.unique"),
    kindOf(field) === "list" && t("write.list"),
    kindOf(field) === "json" && t("write.json"),
    min !== undefined && (bounded ? t("write.up-to", { min, max }) : t("write.at-least", { min })),
  ].filter((hint) => typeof hint === "string");
}
