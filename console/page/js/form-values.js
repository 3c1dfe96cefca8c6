/** Converts between documents and the texts of the form's controls. Pure. */
import { parseText, toText } from "./fields.js";

/**
 * @typedef {import("./state.js").Entity} Entity
 * @typedef {Record<string, string>} Texts text of each control by field name
 */

/** Texts of a label, at most. */
const LABEL_TEXTS = 2;

/**
 * A short label for an entity: its first two text fields, else its id.
 *
 * @param {Entity} entity @param {import("./state.js").Stored} stored
 */
export function labelOf({ fields }, { id, document }) {
  const texts = fields.map(({ name }) => document[name]).filter((value) => typeof value === "string" && value !== "");
  return texts.slice(0, LABEL_TEXTS).join(" · ") || id;
}

/** @param {Entity} entity @param {any} document @returns {Texts} */
export const textsOf = ({ fields }, document) =>
  Object.fromEntries(fields.map((field) => [field.name, toText(field, document[field.name])]));

/** The declared example. Unique fields get a random suffix. @param {Entity} entity @returns {Texts} */
export function exampleTexts({ fields, example }) {
  const suffix = Math.random().toString(36).slice(2, 7);
  return Object.fromEntries(
    fields.map((field) => {
      const text = toText(field, example?.[field.name] ?? field.initial);
      return [field.name, field.unique && text ? `${text}-${suffix}` : text];
    }),
  );
}

/** The document of a create. An empty optional field is left out. @param {Entity} entity @param {Texts} texts */
export function newDocument({ fields }, texts) {
  const values = fields.map((field) => {
    const text = texts[field.name] ?? "";
    return [field.name, text === "" && !field.required ? undefined : parseText(field, text)];
  });
  return Object.fromEntries(values.filter(([, value]) => value !== undefined));
}

/**
 * The changed fields only; null for one that was emptied.
 *
 * @param {Entity} entity @param {any} document @param {Texts} texts
 */
export function changedFields(entity, document, texts) {
  const before = textsOf(entity, document);
  const changed = entity.fields.filter(({ name }) => (texts[name] ?? "") !== (before[name] ?? ""));
  return Object.fromEntries(changed.map((field) => [field.name, parseText(field, texts[field.name] ?? "") ?? null]));
}
