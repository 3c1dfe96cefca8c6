/** The live drawing of the topology: the state of each node, and on the edges the milliseconds of the shown write. */
import { tableHead, tableRow } from "./controls.js";
import { byId, fill, h, s, setAttributes, setText } from "./dom.js";
import { formatDuration, formatMs, onLanguage, t } from "./language.js";
import { findHop, shownWrite } from "./state.js";
import { draw, titleOf } from "./topology-drawing.js";
import { layoutTopology } from "./topology-layout.js";
import { nodeStatus } from "./topology-status.js";

const NARROW = matchMedia("(max-width: 760px)");
const REDUCED_MOTION = matchMedia("(prefers-reduced-motion: reduce)");
const PULSE_MS = 420;
/** Changes per second at which an edge starts to move, moves faster, and moves fastest. */
const PACES = [0.2, 20, 200];

/**
 * @typedef {import("./topology-layout.js").Layout} Layout
 * @typedef {import("./topology-layout.js").Node} Node
 * @typedef {import("./topology-layout.js").Edge} Edge
 * @typedef {import("./state.js").Write} Write
 */

export class TopologyPanel {
  /** @param {import("./state.js").Page} page */
  constructor(page) {
    this.page = page;
    this.panel = byId("topology");
    this.details = /** @type {HTMLDetailsElement} */ (byId("flow-table").closest("details"));
    this.layout = this.draw();
    const redraw = () => {
      this.layout = this.draw();
      this.update();
    };
    NARROW.addEventListener("change", redraw);
    this.details.addEventListener("toggle", () => this.updateTable());
    onLanguage(redraw);
    this.update();
  }

  /** Draws the entity of the shown write, else the first one. @returns {Layout} */
  draw() {
    const { about, state } = this.page;
    const shown = shownWrite(state)?.entity;
    const entity = about.entities.find(({ name }) => name === shown) ?? about.entities[0];
    const layout = layoutTopology(/** @type {any} */ (entity), NARROW.matches);
    fill(this.panel, draw(layout, /** @type {any} */ (entity)));
    return layout;
  }

  update() {
    const write = shownWrite(this.page.state);
    for (const node of this.layout.nodes) this.updateNode(node);
    for (const edge of this.layout.edges) this.updateEdge(edge, write);
    setText(byId("flow-note"), write ? t("flow.shown-write", { number: String(write.number) }) : t("flow.note"));
    this.updateTable();
  }

  /** Moves a dot along the edge of each new hop. @param {import("./state.js").Hop[]} hops */
  pulse(hops) {
    if (REDUCED_MOTION.matches) return;
    for (const { kind, replica } of hops)
      for (const edge of this.layout.edges)
        if (edge.hop === kind && (edge.replica === null || edge.replica === replica)) {
          const dot = s("circle", { class: kind === "dead-letter" ? "pulse error" : "pulse", r: 5 });
          this.panel.querySelector(".pulses")?.append(dot);
          animate(/** @type {SVGPathElement} */ (this.find("edge", edge.id)), dot);
        }
  }

  /** @param {"node" | "edge" | "flow" | "label"} part @param {string} id */
  find(part, id) {
    return /** @type {Element} */ (this.panel.querySelector(`[data-${part}="${id}"]`));
  }

  /** @param {Node} node */
  updateNode(node) {
    const { text, level } = nodeStatus(node, this.page.about, this.page.state.snapshot);
    const element = this.find("node", node.id);
    setText(element.querySelector(".line"), text);
    setAttributes(element, { "data-level": level });
  }

  /** @param {Edge} edge @param {Write | undefined} write */
  updateEdge(edge, write) {
    const hop = write && hopOf(edge, write);
    const isPassed = write !== undefined && hasPassed(edge, write);
    setAttributes(this.find("edge", edge.id), { class: `edge ${edge.hop}${isPassed ? " passed" : ""}` });
    setAttributes(this.find("flow", edge.id), { "data-pace": paceOf(edge, this.page.state.snapshot) });
    setText(this.find("label", edge.id), hop ? shortDuration(hop.tookMs) : "");
  }

  /** Updates the table with the same content, while it is open. */
  updateTable() {
    if (!this.details.open) return;
    const { about, state } = this.page;
    const rows = this.layout.nodes.map((node) => {
      const { text, level } = nodeStatus(node, about, state.snapshot);
      const title = node.replica && node.kind === "store" ? `${node.replica} · ${titleOf(node)}` : titleOf(node);
      return tableRow(title, text, level && t(`level.${level}`));
    });
    const headings = [t("flow.part"), t("flow.now"), t("flow.state")];
    fill(byId("flow-table"), tableHead(headings), h("tbody", {}, ...rows));
  }
}

/** Milliseconds without their unit: an edge has little space. @param {number} ms */
const shortDuration = (ms) => (ms < 1_000 ? formatMs(ms) : formatDuration(ms));

/** The hop whose milliseconds an edge shows. @param {Edge} edge @param {Write} write */
const hopOf = ({ hop, replica }, write) =>
  hop === "dead-letter" ? write.hops.find(({ kind }) => kind === hop) : findHop(write, hop, replica);

/** An edge without its own hop was passed when the write has one of these hops. @type {Record<string, string[]>} */
const PROOFS = { captured: ["published"], consumed: ["routed", "dead-letter"], received: ["applied"] };

/** @param {Edge} edge @param {Write} write */
const hasPassed = ({ hop, replica }, write) =>
  write.hops.some((one) => (PROOFS[hop] ?? [hop]).includes(one.kind) && (replica === null || one.replica === replica));

/** How fast an edge moves: null for not at all, or 1 to 3. @param {Edge} edge @param {any} snapshot */
function paceOf({ to, from }, snapshot) {
  const topics = snapshot?.topics ?? {};
  const replica = to.startsWith("to.") ? to.slice(3) : from.startsWith("to.") ? from.slice(3) : null;
  const suffix = replica ? `.to.${replica}` : to === "dead-letter" ? ".dead-letter" : ".events";
  const topic = Object.keys(topics).find((name) => name.endsWith(suffix));
  const applied = snapshot?.replicas?.[from]?.appliedPerSecond;
  const perSecond = applied ?? topics[topic ?? ""]?.perSecond ?? 0;
  return PACES.filter((limit) => perSecond >= limit).length || null;
}

/** Moves `dot` along `path` once, and removes it. @param {SVGPathElement} path @param {SVGCircleElement} dot */
function animate(path, dot) {
  const startedAt = performance.now();
  const length = path.getTotalLength();
  const step = (/** @type {number} */ now) => {
    const share = Math.min(1, Math.max(0, (now - startedAt) / PULSE_MS));
    const { x, y } = path.getPointAtLength(length * share);
    setAttributes(dot, { cx: x, cy: y });
    if (share < 1 && dot.isConnected) requestAnimationFrame(step);
    else dot.remove();
  };
  requestAnimationFrame(step);
}
