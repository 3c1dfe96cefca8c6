/** The way of a write, drawn live: what each part does now, and on the edges the milliseconds of the write that is followed. */
import { byId, fill, h, s, say, set } from "./dom.js";
import { serviceOf } from "./health.js";
import { duration, milliseconds, number, onLanguage, t } from "./language.js";
import { hopOf, shownWrite } from "./state.js";
import { layout } from "./topology-layout.js";

const NARROW = matchMedia("(max-width: 760px)");
const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const PULSE_MS = 420;

/** @typedef {import("./state.js").State} State @typedef {import("./topology-layout.js").Drawing} Drawing @typedef {import("./topology-layout.js").Node} Node */

/** @param {import("./state.js").About} about @param {State} state */
export function startTopology(about, state) {
  const place = byId("topology");
  /** @type {Drawing} */
  let drawing;
  const draw = () => {
    const entity = about.entities.find(({ name }) => name === shownWrite(state)?.entity) ?? about.entities[0];
    drawing = layout(/** @type {any} */ (entity), NARROW.matches);
    fill(place, picture(drawing, entity));
    update();
  };
  const update = () => {
    const write = shownWrite(state);
    for (const node of drawing.nodes) showNode(place, node, about, state.snapshot);
    for (const edge of drawing.edges) showEdge(place, edge, state.snapshot, write);
    say(byId("flow-note"), write ? t("flow.followed", { number: String(write.number) }) : t("flow.note"));
    showTable(drawing, about, state.snapshot);
  };
  NARROW.addEventListener("change", draw);
  onLanguage(draw);
  draw();
  return { update, pulse: (/** @type {any[]} */ hops) => pulse(place, drawing, hops) };
}

/** @param {Drawing} drawing @param {any} entity */
function picture({ width, height, nodes, edges }, entity) {
  return s(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": t("flow.title"), "data-entity": entity.name },
    s("g", {}, ...edges.map((edge) => s("path", { class: `edge ${edge.hop}`, d: edge.path, "data-edge": edge.id }))),
    s("g", {}, ...edges.map((edge) => s("path", { class: "edge-flow", d: edge.path, "data-flow": edge.id }))),
    s("g", {}, ...nodes.map(nodePicture)),
    s(
      "g",
      { class: "labels" },
      ...edges.map((edge) => s("text", { class: "edge-label", x: edge.x, y: edge.y, "data-label": edge.id })),
    ),
    s("g", { class: "pulses" }),
  );
}

/** @param {Node} node */
function nodePicture({ id, kind, name, x, y, w, h: tall }) {
  const title = kind === "store" ? t(`node.${name}`) : name;
  return s(
    "g",
    { class: `node ${kind}`, "data-node": id, transform: `translate(${x} ${y})` },
    s("title", {}, title),
    s("rect", { width: w, height: tall, rx: kind === "topic" ? tall / 2 : 10 }),
    kind === "topic" ? null : s("circle", { class: "dot", cx: 14, cy: 20, r: 4 }),
    s(
      "text",
      {
        class: "name",
        x: kind === "topic" ? w / 2 : 25,
        y: kind === "topic" ? 18 : 24.5,
        "text-anchor": kind === "topic" ? "middle" : "start",
      },
      fitting(title, kind === "topic" ? (w - 14) / 6.4 : (w - 32) / 7.4),
    ),
    s("text", {
      class: "line",
      x: kind === "topic" ? w / 2 : 13,
      y: kind === "topic" ? 34 : 43,
      "text-anchor": kind === "topic" ? "middle" : "start",
    }),
  );
}

/** A name that is too long keeps its end: that is where names of topics differ. @param {string} text @param {number} most characters */
const fitting = (text, most) => (text.length <= most ? text : `…${text.slice(1 - Math.floor(most))}`);

/** @param {Element} place @param {Node} node @param {import("./state.js").About} about @param {any} snapshot */
function showNode(place, node, about, snapshot) {
  const element = place.querySelector(`[data-node="${node.id}"]`);
  if (!element) return;
  const { text, level } = now(node, about, snapshot);
  say(element.querySelector(".line"), text);
  set(element, { "data-level": level });
}

const lagOf = (/** @type {any} */ snapshot, /** @type {string} */ name) =>
  (snapshot.follows ?? [])
    .filter((/** @type {any} */ one) => one.name === name)
    .reduce((/** @type {number} */ sum, /** @type {any} */ one) => sum + one.lag, 0);

const rate = (/** @type {number | null | undefined} */ perSecond) =>
  perSecond == null ? "–" : number(perSecond, perSecond < 10 ? 1 : 0);

/**
 * What a part does now, in words, and how well it is.
 *
 * @param {Node} node @param {import("./state.js").About} about @param {any} snapshot
 * @returns {{ text: string, level: string | null }}
 */
export function now(node, about, snapshot) {
  if (!snapshot) return { text: "…", level: null };
  const { id, kind, topic } = node;
  if (id === "source") return sourceNow(snapshot);
  if (id === "dead") return lettersNow(snapshot);
  if (kind === "topic") return topicNow(/** @type {string} */ (topic), about, snapshot);
  if (kind === "store") return storeNow(node, snapshot);
  return serviceNow(node, snapshot);
}

/** @param {any} snapshot */
function sourceNow({ outbox }) {
  if (!outbox) return { text: t("now.down"), level: "bad" };
  const seconds = outbox.oldestAgeSeconds;
  const text =
    seconds >= 1 ? t("now.oldest", { count: outbox.depth, seconds }) : t("now.waiting", { count: outbox.depth });
  return { text, level: seconds > 30 ? "bad" : seconds > 5 ? "care" : "well" };
}

/** @param {any} snapshot */
const lettersNow = ({ deadLetters }) => ({
  text: deadLetters === null ? "–" : t("now.letters", { count: deadLetters }),
  level: deadLetters > 0 ? "care" : null,
});

/** @param {string} topic @param {import("./state.js").About} about @param {any} snapshot */
function topicNow(topic, about, { topics }) {
  if (!topics) return { text: "–", level: "bad" };
  const entity = about.entities.find(({ eventsTopic }) => eventsTopic === topic);
  const perSecond = rate(topics[topic]?.perSecond);
  return {
    text: entity
      ? t("now.schema", { rate: perSecond, version: entity.schemaVersion })
      : t("now.rate", { rate: perSecond }),
    level: null,
  };
}

/** @param {Node} node @param {any} snapshot */
function storeNow({ id, replica }, snapshot) {
  const of = snapshot.replicas[/** @type {string} */ (replica)];
  const isCache = id.endsWith(".cache");
  const { p50, p99 } = of?.[isCache ? "redis" : "postgres"] ?? {};
  const measured =
    p50 == null
      ? t("now.idle")
      : t("now.latency", { p50: p99 < 1_000 ? milliseconds(p50) : duration(p50), p99: duration(p99) });
  if (!isCache)
    return {
      text: measured,
      level: serviceOf(snapshot, /** @type {string} */ (replica)).health === "down" ? null : "well",
    };
  if (of?.cache == null) return { text: "–", level: null };
  const isOn = of.cache === "on";
  return {
    text: isOn ? (p50 == null ? t("now.cache.on") : measured) : t(`now.cache.${of.cache}`),
    level: isOn ? "well" : of.cache === "none" ? null : "care",
  };
}

/** @param {Node} node @param {any} snapshot */
function serviceNow({ id }, snapshot) {
  const { health, version } = serviceOf(snapshot, id);
  if (health === "down") return { text: t("now.down"), level: "bad" };
  if (health === "not ready") return { text: t("now.unwell"), level: "bad" };
  const count = lagOf(snapshot, id);
  if (snapshot.paused?.[id]) return { text: t("now.paused", { count }), level: "care" };
  const follows = (snapshot.follows ?? []).some((/** @type {any} */ one) => one.name === id);
  if (follows) return { text: t("now.lag", { count }), level: count > 500 ? "care" : "well" };
  return {
    text: version ? t("now.version", { version }) : health ? t("now.ready") : "–",
    level: health ? "well" : null,
  };
}

/** @param {Element} place @param {import("./topology-layout.js").Edge} edge @param {any} snapshot @param {any} write */
function showEdge(place, edge, snapshot, write) {
  const hop = write && hopOnEdge(edge, write);
  set(/** @type {Element} */ (place.querySelector(`[data-edge="${edge.id}"]`)), {
    class: `edge ${edge.hop}${travelled(edge, write) ? " travelled" : ""}`,
  });
  set(/** @type {Element} */ (place.querySelector(`[data-flow="${edge.id}"]`)), {
    "data-pace": paceOf(edge, snapshot),
  });
  say(place.querySelector(`[data-label="${edge.id}"]`), hop ? brief(hop.tookMs) : "");
}

/** An edge has room for little. @param {number} ms */
const brief = (ms) => (ms < 1_000 ? milliseconds(ms) : duration(ms));

/** The hop whose milliseconds stand on an edge. @param {{ hop: string, replica: string | null }} edge @param {any} write */
const hopOnEdge = ({ hop, replica }, write) =>
  hopOf(
    write,
    hop,
    hop === "dead" ? (write.hops.find((/** @type {any} */ one) => one.kind === "dead")?.replica ?? null) : replica,
  );

/** Some edges have no record of their own: they are travelled when the next one is. @param {any} edge @param {any} write */
function travelled(edge, write) {
  if (!write) return false;
  const proof =
    { taken: "published", read: "routed", received: "applied" }[/** @type {string} */ (edge.hop)] ?? edge.hop;
  return write.hops.some(
    (/** @type {any} */ one) =>
      (one.kind === proof || (edge.hop === "read" && one.kind === "dead")) &&
      (edge.replica === null || one.replica === edge.replica),
  );
}

/** How busy an edge is: nothing, or 1 to 3. @param {any} edge @param {any} snapshot */
function paceOf({ id, to, from }, snapshot) {
  const topics = snapshot?.topics ?? {};
  const replica = to.startsWith("to.") ? to.slice(3) : from.startsWith("to.") ? from.slice(3) : null;
  const name = Object.keys(topics).find((topic) =>
    replica
      ? topic.endsWith(`.to.${replica}`)
      : id.endsWith("dead")
        ? topic.endsWith(".dead-letter")
        : topic.endsWith(".events"),
  );
  const applied = snapshot?.replicas?.[from]?.appliedPerSecond;
  const perSecond = applied ?? topics[name ?? ""]?.perSecond ?? 0;
  return perSecond < 0.2 ? null : perSecond < 20 ? 1 : perSecond < 200 ? 2 : 3;
}

/** Lets a point run along the edges of new hops. @param {Element} place @param {Drawing} drawing @param {any[]} hops */
function pulse(place, { edges }, hops) {
  if (STILL.matches) return;
  for (const { kind, replica } of hops)
    for (const edge of edges.filter(({ hop, replica: of }) => hop === kind && (of === null || of === replica))) {
      const path = /** @type {SVGPathElement} */ (place.querySelector(`[data-edge="${edge.id}"]`));
      const dot = s("circle", { class: kind === "dead" ? "pulse bad" : "pulse", r: 5 });
      place.querySelector(".pulses")?.append(dot);
      run(path, dot, performance.now());
    }
}

/** @param {SVGPathElement} path @param {SVGCircleElement} dot @param {number} start */
function run(path, dot, start) {
  const length = path.getTotalLength();
  const step = (/** @type {number} */ at) => {
    const share = Math.min(1, Math.max(0, (at - start) / PULSE_MS));
    const { x, y } = path.getPointAtLength(length * share);
    set(dot, { cx: x, cy: y });
    if (share < 1 && dot.isConnected) requestAnimationFrame(step);
    else dot.remove();
  };
  requestAnimationFrame(step);
}

/** @param {Drawing} drawing @param {import("./state.js").About} about @param {any} snapshot */
function showTable({ nodes }, about, snapshot) {
  const details = byId("flow-table").closest("details");
  if (!details?.open) {
    if (details && !details.ontoggle)
      details.ontoggle = () => showTable({ width: 0, height: 0, edges: [], nodes }, about, snapshot);
    return;
  }
  const rows = nodes.map((node) => {
    const title = node.kind === "store" ? t(`node.${node.name}`) : node.name;
    const { text, level } = now(node, about, snapshot);
    const state = level === "bad" ? "–" : level === "care" ? "!" : "✓";
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, node.replica && node.kind === "store" ? `${node.replica} · ${title}` : title),
      h("td", {}, text),
      h("td", {}, level ? state : ""),
    );
  });
  fill(
    byId("flow-table"),
    h("thead", {}, h("tr", {}, h("th", {}, t("flow.what")), h("th", {}, t("flow.now")), h("th", {}, t("flow.state")))),
    h("tbody", {}, ...rows),
  );
}
