/**
 * Positions of nodes and edges: from left to right on a wide page, from top to bottom on a narrow one. Pure.
 *
 * @typedef {{ eventsTopic: string, deadLetterTopic: string, replicas: { name: string, topic: string }[] }} Topology
 * @typedef {{ x: number, y: number, w: number, h: number }} Box
 * @typedef {Box & { id: string, kind: string, name: string, topic?: string, replica?: string }} Node
 * @typedef {{ id: string, from: string, to: string, hop: string, replica: string | null }} Link `hop`: the kind of hop
 * that passes the edge; `captured`, `consumed` and `received` are not hops of a write
 * @typedef {Link & { path: string, x: number, y: number }} Edge `x`, `y`: position of its label
 * @typedef {{ width: number, height: number, nodes: Node[], edges: Edge[] }} Layout
 */

/** `columns`: widths of gateway, source, relay, events, stream, the replica's topic, the replica, its stores. */
const WIDE = { columns: [104, 124, 104, 152, 108, 162, 122, 132], h: 54, gap: 32, row: 70, margin: 3 };
const NARROW = { w: 150, h: 52, step: 82, gap: 20, margin: 6 };
const TOPIC_H = 44;
/** Distance of the dead-letter topic from the left edge of the stream, on a wide page. */
const DEAD_LETTER_OFFSET = -22;

/** @param {Topology} topology @param {boolean} isNarrow @returns {Layout} */
export function layoutTopology(topology, isNarrow) {
  const nodes = isNarrow ? topToBottom(topology) : leftToRight(topology);
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const edges = links(topology).map((link) => ({ ...link, ...route(byId, link, isNarrow) }));
  return {
    width: Math.max(...nodes.map(({ x, w }) => x + w)) + (isNarrow ? NARROW.margin : WIDE.margin),
    height: Math.max(...nodes.map(({ y, h }) => y + h)) + 4,
    nodes,
    edges,
  };
}

/** @param {Topology} topology @returns {Link[]} */
function links({ replicas }) {
  /** @type {(from: string, to: string, hop: string, replica?: string | null) => Link} */
  const link = (from, to, hop, replica = null) => ({ id: `${from}>${to}`, from, to, hop, replica });
  return [
    link("gateway", "source", "committed"),
    link("source", "relay", "captured"),
    link("relay", "events", "published"),
    link("events", "stream", "consumed"),
    link("stream", "dead-letter", "dead-letter"),
    ...replicas.flatMap(({ name }) => [
      link("stream", `to.${name}`, "routed", name),
      link(`to.${name}`, name, "received", name),
      link(name, `${name}.db`, "applied", name),
      link(name, `${name}.cache`, "cached", name),
    ]),
  ];
}

/** @param {Topology} topology @returns {Node[]} */
function leftToRight({ eventsTopic, deadLetterTopic, replicas }) {
  const { columns, h, gap, row, margin } = WIDE;
  const xOf = (/** @type {number} */ column) => columns.slice(0, column).reduce((sum, w) => sum + w + gap, margin);
  const height = Math.max(3, replicas.length * 2) * row;
  const middle = height / 2;
  const firstRow = (height - replicas.length * 2 * row) / 2;
  /** @type {(id: string, kind: string, name: string, column: number, y: number, more?: Partial<Node>) => Node} */
  const node = (id, kind, name, column, y, more = {}) => {
    const nodeH = kind === "topic" ? TOPIC_H : h;
    return { id, kind, name, x: xOf(column), y: y - nodeH / 2, w: columns[column] ?? 0, h: nodeH, ...more };
  };
  return [
    node("gateway", "service", "gateway", 0, middle),
    node("source", "store", "source", 1, middle),
    node("relay", "service", "relay", 2, middle),
    node("events", "topic", eventsTopic, 3, middle, { topic: eventsTopic }),
    node("stream", "service", "stream", 4, middle),
    node("dead-letter", "topic", deadLetterTopic, 3, height - row / 2 + 8, {
      topic: deadLetterTopic,
      x: xOf(4) + DEAD_LETTER_OFFSET,
    }),
    ...replicas.flatMap(({ name: replica, topic }, i) => {
      const y = firstRow + (2 * i + 1) * row;
      return [
        node(`to.${replica}`, "topic", topic, 5, y, { topic, replica }),
        node(replica, "service", replica, 6, y, { replica }),
        node(`${replica}.db`, "store", "postgres", 7, y - row / 2, { replica }),
        node(`${replica}.cache`, "store", "redis", 7, y + row / 2, { replica }),
      ];
    }),
  ];
}

/** @param {Topology} topology @returns {Node[]} */
function topToBottom({ eventsTopic, deadLetterTopic, replicas }) {
  const { w, h, step, gap, margin } = NARROW;
  const columns = Math.max(2, replicas.length);
  const xOf = (/** @type {number} */ column) => margin + column * (w + gap);
  const center = (xOf(0) + xOf(columns - 1)) / 2;
  /** @type {(id: string, kind: string, name: string, x: number, line: number, more?: Partial<Node>) => Node} */
  const node = (id, kind, name, x, line, more = {}) => {
    const nodeH = kind === "topic" ? TOPIC_H : h;
    return { id, kind, name, x, y: 4 + line * step + (h - nodeH) / 2, w, h: nodeH, ...more };
  };
  return [
    node("gateway", "service", "gateway", center, 0),
    node("source", "store", "source", center, 1),
    node("relay", "service", "relay", center, 2),
    node("events", "topic", eventsTopic, center, 3, { topic: eventsTopic }),
    node("stream", "service", "stream", center - (w + gap) / 2, 4),
    node("dead-letter", "topic", deadLetterTopic, center + (w + gap) / 2, 4, { topic: deadLetterTopic }),
    ...replicas.flatMap(({ name: replica, topic }, i) => [
      node(`to.${replica}`, "topic", topic, xOf(i), 5, { topic, replica }),
      node(replica, "service", replica, xOf(i), 6, { replica }),
      node(`${replica}.db`, "store", "postgres", xOf(i), 7, { replica }),
      node(`${replica}.cache`, "store", "redis", xOf(i), 8, { replica }),
    ]),
  ];
}

/**
 * The path of an edge and the position of its label.
 *
 * @param {Map<string, Node>} byId @param {Link} link @param {boolean} isNarrow
 */
function route(byId, link, isNarrow) {
  const from = /** @type {Node} */ (byId.get(link.from));
  const to = /** @type {Node} */ (byId.get(link.to));
  // On a narrow page the cache is below its database: the edge passes the database on the right.
  if (isNarrow && link.to.endsWith(".cache")) return routeAround(from, to);
  const isHorizontal = (link.to === "dead-letter") === isNarrow;
  if (isHorizontal) {
    const [x1, y1, x2, y2] = [from.x + from.w, from.y + from.h / 2, to.x, to.y + to.h / 2];
    const bend = (x1 + x2) / 2;
    return { path: `M${x1} ${y1}C${bend} ${y1} ${bend} ${y2} ${x2} ${y2}`, x: bend, y: (y1 + y2) / 2 - 6 };
  }
  const [x1, y1, x2, y2] = [from.x + from.w / 2, from.y + from.h, to.x + to.w / 2, to.y];
  const bend = (y1 + y2) / 2;
  return { path: `M${x1} ${y1}C${x1} ${bend} ${x2} ${bend} ${x2} ${y2}`, x: (x1 + x2) / 2, y: bend + 4 };
}

/** @param {Node} from @param {Node} to */
function routeAround(from, to) {
  const side = to.x + to.w + 8;
  const [y1, y2] = [from.y + from.h / 2, to.y + to.h / 2];
  return {
    path: `M${from.x + from.w} ${y1}C${side + 4} ${y1} ${side + 4} ${y2} ${to.x + to.w} ${y2}`,
    x: side - 18,
    y: to.y - 8,
  };
}
