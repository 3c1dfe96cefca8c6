/** Elements in one line each. Text goes in as text, never as markup. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @typedef {string | number | Node | null | undefined | false} Child
 * @typedef {Record<string, unknown>} Attributes `on…` are listeners, false and null leave out, true is an empty attribute
 */

/**
 * An HTML element.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag @param {Attributes} [attributes] @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  set(element, attributes);
  fill(element, ...children);
  return element;
}

/**
 * An SVG element.
 *
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag @param {Attributes} [attributes] @param {...Child} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  set(element, attributes);
  fill(element, ...children);
  return element;
}

/** @param {Element} element @param {Attributes} attributes */
export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else if (value === false || value === null || value === undefined) element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(value === true ? "" : value))
      element.setAttribute(name, String(value === true ? "" : value));
  }
}

/** Puts children in the place of those that are there. @param {Element} element @param {...Child} children */
export function fill(element, ...children) {
  element.replaceChildren(
    .../** @type {(string | Node)[]} */ (
      children
        .filter((child) => child !== null && child !== undefined && child !== false)
        .map((child) => (child instanceof Node ? child : String(child)))
    ),
  );
}

/** Writes a text where it is another one. @param {Element | null} element @param {string} text */
export function say(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

/** @param {string} id */
export const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/**
 * Draws anew only when what is drawn has changed, so that focus and selection stay where they are.
 *
 * @template T
 * @param {(value: T) => void} draw
 * @returns {(value: T, also?: string) => void}
 */
export function onChange(draw) {
  let last = "";
  return (value, also = "") => {
    const now = `${also}\n${JSON.stringify(value)}`;
    if (now === last) return;
    last = now;
    draw(value);
  };
}

/**
 * Keeps the focus on what has the same `data-key` after a part was drawn anew.
 *
 * @param {Element} part @param {() => void} draw
 */
export function keepFocus(part, draw) {
  const key = part.contains(document.activeElement) ? document.activeElement?.getAttribute("data-key") : null;
  draw();
  if (key) /** @type {HTMLElement | null} */ (part.querySelector(`[data-key="${CSS.escape(key)}"]`))?.focus();
}
