/** Makes form controls from the JSON Schema of declared fields. No field of an entity is named here. */
import { h } from "./dom.js";
import { t } from "./language.js";

/** A text that may be longer than this gets a text area. */
const TEXTAREA_LENGTH = 300;
/** A greater maximum is only the limit of the type, and is not shown. */
const UNLIMITED = 1e9;

/**
 * @typedef {import("./state.js").Field} Field
 * @typedef {"select" | "boolean" | "integer" | "number" | "list" | "textarea" | "text" | "json"} ControlKind
 */

/** The kind of control that a field gets. Pure. @param {Field} field @returns {ControlKind} */
export function controlKind({ schema }) {
  if (Array.isArray(schema.enum)) return "select";
  if (schema.type === "boolean") return "boolean";
  if (schema.type === "integer") return "integer";
  if (schema.type === "number") return "number";
  if (schema.type === "array" && schema.items?.type === "string") return "list";
  if (schema.type === "string") return (schema.maxLength ?? 0) > TEXTAREA_LENGTH ? "textarea" : "text";
  return "json";
}

/** The text that a control shows for a value. Pure. @param {Field} field @param {any} value */
export function toText(field, value) {
  if (value === undefined || value === null) return "";
  const kind = controlKind(field);
  if (kind === "list") return value.join(", ");
  return kind === "json" ? JSON.stringify(value) : String(value);
}

/**
 * The value of a control's text. A text that cannot be parsed is returned unchanged, and the gateway reports it. Pure.
 *
 * @param {Field} field @param {string} text @returns {any} undefined for an empty control
 */
export function parseText(field, text) {
  const kind = controlKind(field);
  if (kind === "list")
    return text
      .split(",")
      .map((part) => part.trim())
      .filter(Boolean);
  if (kind === "boolean") return text === "true";
  if (text === "" && kind !== "textarea" && kind !== "text") return undefined;
  if (kind === "integer" || kind === "number") return Number.isNaN(Number(text)) ? text : Number(text);
  if (kind !== "json") return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/**
 * A control with its label, its hint and a place for its error.
 *
 * @param {Field} field @param {string} text @param {string} [hint] added to the field's own hints
 */
export function fieldElement(field, text, hint) {
  const id = `field-${field.name}`;
  const control = controlOf(field, text, {
    id,
    name: field.name,
    "aria-describedby": `${id}-hint ${id}-error`,
    "data-key": id,
  });
  return h(
    "div",
    { class: controlKind(field) === "textarea" ? "field wide" : "field" },
    h("label", { for: id }, field.name),
    control,
    h("span", { class: "hint", id: `${id}-hint` }, [...hintsOf(field), hint].filter(Boolean).join(" · ")),
    h("span", { class: "error-text", id: `${id}-error` }),
  );
}

/** @param {Field} field @param {string} text @param {Record<string, unknown>} attributes */
function controlOf(field, text, attributes) {
  const { schema } = field;
  const kind = controlKind(field);
  switch (kind) {
    case "select":
      return select(attributes, schema.enum.map(String), text);
    case "boolean":
      return select(attributes, ["false", "true"], text || "false");
    case "textarea":
      return h("textarea", { ...attributes, rows: 2, maxlength: schema.maxLength }, text);
    default: {
      const inputmode = kind === "integer" ? "numeric" : kind === "number" ? "decimal" : null;
      const more = { type: "text", autocomplete: "off", spellcheck: "false", inputmode };
      const input = h("input", { ...attributes, ...more });
      input.value = text;
      return input;
    }
  }
}

/** @param {Record<string, unknown>} attributes @param {string[]} values @param {string} selected */
function select(attributes, values, selected) {
  const element = h("select", attributes, ...values.map((value) => h("option", { value }, value)));
  element.value = selected;
  return element;
}

/** @param {Field} field */
function hintsOf(field) {
  const { minimum: min, maximum: max } = field.schema;
  const isBounded = max !== undefined && max < UNLIMITED;
  const kind = controlKind(field);
  return [
    field.private && t("write.private"),
    field.unique && t("write.unique"),
    kind === "list" && t("write.list"),
    kind === "json" && t("write.json"),
    min !== undefined && (isBounded ? t("write.range", { min, max }) : t("write.minimum", { min })),
  ];
}
