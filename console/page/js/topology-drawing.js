/** The topology as SVG. The panel updates texts, levels and edges in it. */
import { s } from "./dom.js";
import { t } from "./language.js";

/** @typedef {import("./topology-layout.js").Layout} Layout @typedef {import("./topology-layout.js").Node} Node */

/** Widths of a character in the two fonts of names, in pixels. */
const CHARACTER_W = { topic: 6.4, other: 7.4 };

/** @param {Layout} layout @param {{ name: string }} entity */
export function draw({ width, height, nodes, edges }, entity) {
  const label = { role: "img", "aria-label": t("flow.title") };
  return s(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, ...label, "data-entity": entity.name },
    s("g", {}, ...edges.map(({ id, hop, path }) => s("path", { class: `edge ${hop}`, d: path, "data-edge": id }))),
    s("g", {}, ...edges.map(({ id, path }) => s("path", { class: "edge-flow", d: path, "data-flow": id }))),
    s("g", {}, ...nodes.map(drawNode)),
    s("g", {}, ...edges.map(({ id, x, y }) => s("text", { class: "edge-label", x, y, "data-label": id }))),
    s("g", { class: "pulses" }),
  );
}

/** @param {Node} node */
export const titleOf = ({ kind, name }) => (kind === "store" ? t(`node.${name}`) : name);

/** @param {Node} node */
function drawNode(node) {
  const { id, kind, x, y, w, h } = node;
  const title = titleOf(node);
  const isTopic = kind === "topic";
  const maxCharacters = isTopic ? (w - 14) / CHARACTER_W.topic : (w - 32) / CHARACTER_W.other;
  const anchor = isTopic ? "middle" : "start";
  const name = { class: "name", x: isTopic ? w / 2 : 25, y: isTopic ? 18 : 24.5, "text-anchor": anchor };
  const line = { class: "line", x: isTopic ? w / 2 : 13, y: isTopic ? 34 : 43, "text-anchor": anchor };
  return s(
    "g",
    { class: `node ${kind}`, "data-node": id, transform: `translate(${x} ${y})` },
    s("title", {}, title),
    s("rect", { width: w, height: h, rx: isTopic ? h / 2 : 10 }),
    isTopic ? null : s("circle", { class: "dot", cx: 14, cy: 20, r: 4 }),
    s("text", name, shorten(title, maxCharacters)),
    s("text", line),
  );
}

/**
 * Shortens a text at its start: names of topics differ at their end.
 *
 * @param {string} text @param {number} maxCharacters
 */
const shorten = (text, maxCharacters) =>
  text.length <= maxCharacters ? text : `…${text.slice(1 - Math.floor(maxCharacters))}`;
