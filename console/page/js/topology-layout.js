/**
 * Where everything of the way stands: nodes and edges from the declarations, for a wide page from left to right, for a narrow one from top
 * to bottom. Pure.
 *
 * @typedef {{ id: string, kind: string, name: string, topic?: string, replica?: string, x: number, y: number, w: number, h: number }} Node
 * @typedef {{ id: string, from: string, to: string, hop: string, replica: string | null, path: string, x: number, y: number }} Edge `x`, `y`: where its label stands
 * @typedef {{ width: number, height: number, nodes: Node[], edges: Edge[] }} Drawing
 */

/** Widths of the columns from left to right: gateway, source, relay, events, stream, a replica's topic, replica, its stores. */
const WIDE = { columns: [104, 124, 104, 152, 108, 162, 122, 132], h: 54, gap: 32, row: 70, margin: 3 };
const NARROW = { w: 150, h: 52, step: 82, gap: 20, margin: 6 };
const TOPIC_H = 44;

/**
 * @param {{ eventsTopic: string, deadLetterTopic: string, replicas: { name: string, topic: string }[] }} entity
 * @param {boolean} narrow
 * @returns {Drawing}
 */
export function layout(entity, narrow) {
  const nodes = narrow ? topToBottom(entity) : leftToRight(entity);
  const at = new Map(nodes.map((node) => [node.id, node]));
  const edges = links(entity).map((link) => ({ ...link, ...drawn(at, link, narrow) }));
  return {
    width: Math.max(...nodes.map(({ x, w }) => x + w)) + (narrow ? NARROW.margin : WIDE.margin),
    height: Math.max(...nodes.map(({ y, h }) => y + h)) + 4,
    nodes,
    edges,
  };
}

/** @param {any} entity @returns {{ id: string, from: string, to: string, hop: string, replica: string | null }[]} */
function links({ replicas }) {
  const link = (
    /** @type {string} */ from,
    /** @type {string} */ to,
    /** @type {string} */ hop,
    /** @type {string | null} */ replica = null,
  ) => ({
    id: `${from}>${to}`,
    ...{ from, to, hop, replica },
  });
  return [
    link("gateway", "source", "progress"),
    link("source", "relay", "taken"),
    link("relay", "events", "published"),
    link("events", "stream", "read"),
    link("stream", "dead", "dead"),
    ...replicas.flatMap((/** @type {{ name: string }} */ { name }) => [
      link("stream", `to.${name}`, "routed", name),
      link(`to.${name}`, name, "received", name),
      link(name, `${name}.db`, "applied", name),
      link(name, `${name}.cache`, "cached", name),
    ]),
  ];
}

/** @param {any} entity @returns {Node[]} */
function leftToRight({ eventsTopic, deadLetterTopic, replicas }) {
  const { columns, h, gap, row, margin } = WIDE;
  const x = (/** @type {number} */ column) => columns.slice(0, column).reduce((sum, w) => sum + w + gap, margin);
  const height = Math.max(3, replicas.length * 2) * row;
  const middle = height / 2;
  const above = (height - replicas.length * 2 * row) / 2;
  const node = (
    /** @type {string} */ id,
    /** @type {string} */ kind,
    /** @type {string} */ name,
    /** @type {number} */ column,
    /** @type {number} */ y,
    more = {},
  ) => {
    const tall = kind === "topic" ? TOPIC_H : h;
    return { id, kind, name, x: x(column), y: y - tall / 2, w: columns[column] ?? 0, h: tall, ...more };
  };
  return [
    node("gateway", "service", "gateway", 0, middle),
    node("source", "store", "source", 1, middle),
    node("relay", "service", "relay", 2, middle),
    node("events", "topic", eventsTopic, 3, middle, { topic: eventsTopic }),
    node("stream", "service", "stream", 4, middle),
    {
      ...node("dead", "topic", deadLetterTopic, 3, height - row / 2 + 8, { topic: deadLetterTopic }),
      x: x(4) + 54 - 76,
    },
    ...replicas.flatMap((/** @type {{ name: string, topic: string }} */ { name, topic }, /** @type {number} */ i) => {
      const y = above + (2 * i + 1) * row;
      return [
        node(`to.${name}`, "topic", topic, 5, y, { topic, replica: name }),
        node(name, "service", name, 6, y, { replica: name }),
        node(`${name}.db`, "store", "postgres", 7, y - row / 2, { replica: name }),
        node(`${name}.cache`, "store", "redis", 7, y + row / 2, { replica: name }),
      ];
    }),
  ];
}

/** @param {any} entity @returns {Node[]} */
function topToBottom({ eventsTopic, deadLetterTopic, replicas }) {
  const { w, h, step, gap, margin } = NARROW;
  const columns = Math.max(2, replicas.length);
  const x = (/** @type {number} */ column) => margin + column * (w + gap);
  const center = (x(0) + x(columns - 1)) / 2;
  const node = (
    /** @type {string} */ id,
    /** @type {string} */ kind,
    /** @type {string} */ name,
    /** @type {number} */ left,
    /** @type {number} */ line,
    more = {},
  ) => {
    const tall = kind === "topic" ? TOPIC_H : h;
    return { id, kind, name, x: left, y: 4 + line * step + (h - tall) / 2, w, h: tall, ...more };
  };
  return [
    node("gateway", "service", "gateway", center, 0),
    node("source", "store", "source", center, 1),
    node("relay", "service", "relay", center, 2),
    node("events", "topic", eventsTopic, center, 3, { topic: eventsTopic }),
    node("stream", "service", "stream", center - (w + gap) / 2, 4),
    node("dead", "topic", deadLetterTopic, center + (w + gap) / 2, 4, { topic: deadLetterTopic }),
    ...replicas.flatMap((/** @type {{ name: string, topic: string }} */ { name, topic }, /** @type {number} */ i) => [
      node(`to.${name}`, "topic", topic, x(i), 5, { topic, replica: name }),
      node(name, "service", name, x(i), 6, { replica: name }),
      node(`${name}.db`, "store", "postgres", x(i), 7, { replica: name }),
      node(`${name}.cache`, "store", "redis", x(i), 8, { replica: name }),
    ]),
  ];
}

/** The line of an edge, and where its label stands. @param {Map<string, Node>} at @param {{ from: string, to: string }} link @param {boolean} narrow */
function drawn(at, link, narrow) {
  const from = /** @type {Node} */ (at.get(link.from));
  const to = /** @type {Node} */ (at.get(link.to));
  const sideways = narrow ? link.to === "dead" : link.to !== "dead";
  // A narrow page has the cache below its database: the line to it goes round.
  if (narrow && link.to.endsWith(".cache")) return round(from, to);
  if (sideways) {
    const [x1, y1, x2, y2] = [from.x + from.w, from.y + from.h / 2, to.x, to.y + to.h / 2];
    const bend = (x1 + x2) / 2;
    return { path: `M${x1} ${y1}C${bend} ${y1} ${bend} ${y2} ${x2} ${y2}`, x: bend, y: (y1 + y2) / 2 - 6 };
  }
  const [x1, y1, x2, y2] = [from.x + from.w / 2, from.y + from.h, to.x + to.w / 2, to.y];
  const bend = (y1 + y2) / 2;
  return { path: `M${x1} ${y1}C${x1} ${bend} ${x2} ${bend} ${x2} ${y2}`, x: (x1 + x2) / 2, y: bend + 4 };
}

/** @param {Node} from @param {Node} to */
function round(from, to) {
  const side = to.x + to.w + 8;
  const [y1, y2] = [from.y + from.h / 2, to.y + to.h / 2];
  return {
    path: `M${from.x + from.w} ${y1}C${side + 4} ${y1} ${side + 4} ${y2} ${to.x + to.w} ${y2}`,
    x: side - 18,
    y: to.y - 8,
  };
}
