/** Creates and updates elements. All text is set as text, never as markup. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @typedef {string | number | Node | null | undefined | false} Child null, undefined and false are left out
 * @typedef {Record<string, unknown>} Attributes `on…` adds a listener; false, null and undefined
 *   remove an attribute; true sets an empty one
 */

/**
 * Creates an HTML element.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag @param {Attributes} [attributes] @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  fill(element, ...children);
  return element;
}

/**
 * Creates an SVG element.
 *
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag @param {Attributes} [attributes] @param {...Child} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  setAttributes(element, attributes);
  fill(element, ...children);
  return element;
}

/** Sets the attributes that have changed. @param {Element} element @param {Attributes} attributes */
export function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    const text = String(value === true ? "" : value);
    if (name.startsWith("on")) element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else if (value === false || value === null || value === undefined) element.removeAttribute(name);
    else if (element.getAttribute(name) !== text) element.setAttribute(name, text);
  }
}

/** Replaces all children. @param {Element} element @param {...Child} children */
export function fill(element, ...children) {
  const nodes = children
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)));
  element.replaceChildren(.../** @type {(string | Node)[]} */ (nodes));
}

/** Sets the text when it has changed. @param {Element | null} element @param {string} text */
export function setText(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

/** @param {string} id of an element that exists */
export const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/**
 * Makes a function that calls `draw` only when the value or the language has changed, so that focus and selection stay.
 *
 * @template T
 * @param {(value: T) => void} draw
 * @returns {(value: T, language?: string) => void}
 */
export function onChange(draw) {
  let last = "";
  return (value, language = "") => {
    const current = `${language}\n${JSON.stringify(value)}`;
    if (current === last) return;
    last = current;
    draw(value);
  };
}

/**
 * Runs `draw` and then focuses the element with the `data-key` of the element that had the focus.
 *
 * @param {Element} panel @param {() => void} draw
 */
export function keepFocus(panel, draw) {
  const key = panel.contains(document.activeElement) ? document.activeElement?.getAttribute("data-key") : null;
  draw();
  if (key) /** @type {HTMLElement | null} */ (panel.querySelector(`[data-key="${CSS.escape(key)}"]`))?.focus();
}
