/** The top of the page: overall state, latency with its chart of two minutes, and four facts. */
import { byId, fill, h, s, setAttributes, setText } from "./dom.js";
import { differingReplicas, OUTBOX_WARNING_S } from "./health.js";
import { formatAge, formatMs, formatNumber, t } from "./language.js";
import { overallState } from "./overall-state.js";

const [WIDTH, HEIGHT] = [600, 90];
/** Space above and below the lines of the chart. */
const MARGIN = { top: 6, bottom: 4 };
const POINTS = 120;
/** The chart's scale ends at a multiple of this. */
const SCALE_STEP_MS = 10;

/** @typedef {import("./state.js").Quantiles} Quantiles */

/** @param {import("./state.js").State} state @param {number} nowMs milliseconds since 1970 */
export function drawSummary({ connected, snapshot, history }, nowMs) {
  drawState(connected, snapshot);
  if (!snapshot) return;
  drawLatency(snapshot, nowMs);
  drawSparkline(history);
  drawFacts(snapshot, nowMs);
}

/** @param {boolean | null} connected @param {any} snapshot */
function drawState(connected, snapshot) {
  const element = byId("state");
  const { level, text } = overallState(connected, snapshot);
  setAttributes(element, { "data-level": level });
  if (element.textContent !== text) fill(element, h("span", { class: "status-dot" }), text);
}

/** @param {any} snapshot @param {number} nowMs */
function drawLatency({ latency, replicas }, nowMs) {
  const measured = /** @type {any[]} */ (Object.values(replicas)).map(({ last }) => last).filter(Boolean);
  const last = measured.sort((a, b) => b.atMs - a.atMs)[0];
  setText(byId("p50"), formatMs(latency.p50 ?? last?.ms));
  const note =
    latency.count > 0
      ? t("summary.measured", { count: latency.count, p99: formatMs(latency.p99) })
      : last
        ? t("summary.last", { age: formatAge(last.atMs, nowMs) })
        : t("summary.none");
  setText(byId("p50-note"), note);
}

/** @param {Quantiles[]} history */
function drawSparkline(history) {
  const sparkline = byId("sparkline");
  const points = history.slice(-POINTS);
  const max = Math.max(SCALE_STEP_MS, ...points.map(({ p99 }) => p99 ?? 0));
  const scaleMs = Math.ceil(max / SCALE_STEP_MS) * SCALE_STEP_MS;
  setAttributes(sparkline, { "aria-label": t("summary.chart") });
  fill(
    sparkline,
    s("line", { x1: 0, y1: HEIGHT - 1, x2: WIDTH, y2: HEIGHT - 1, class: "sparkline-base" }),
    ...linePaths(points, scaleMs, "p99"),
    ...linePaths(points, scaleMs, "p50"),
  );
  setText(byId("sparkline-max"), t("summary.scale", { ms: formatNumber(scaleMs, 0) }));
}

/**
 * One path for each series without a gap. The logarithmic scale keeps fast writes visible beside a slow one.
 *
 * @param {Quantiles[]} points @param {number} scaleMs @param {"p50" | "p99"} quantile
 */
function linePaths(points, scaleMs, quantile) {
  const firstIndex = POINTS - points.length;
  const lineHeight = HEIGHT - MARGIN.top - MARGIN.bottom;
  /** @type {string[]} */
  const paths = [];
  let isOpen = false;
  points.forEach((point, i) => {
    const ms = point[quantile];
    if (ms !== null) {
      const share = Math.log1p(Math.min(ms, scaleMs)) / Math.log1p(scaleMs);
      const x = (((firstIndex + i) / (POINTS - 1)) * WIDTH).toFixed(1);
      const y = (HEIGHT - MARGIN.bottom - share * lineHeight).toFixed(1);
      if (isOpen) paths[paths.length - 1] += `L${x} ${y}`;
      else paths.push(`M${x} ${y}l0.01 0`);
    }
    isOpen = ms !== null;
  });
  return paths.map((d) => s("path", { d, class: `sparkline-${quantile}` }));
}

/** @param {any} snapshot @param {number} nowMs */
function drawFacts(snapshot, nowMs) {
  const { outbox, deadLetters } = snapshot;
  const rate = writesPerSecond(snapshot);
  const isOld = outbox?.oldestAgeSeconds > OUTBOX_WARNING_S;
  const { text, level, age } = verificationFact(snapshot, nowMs);
  fill(
    byId("facts"),
    fact("writes", rate === null ? null : formatNumber(rate, rate < 10 ? 1 : 0), null),
    fact("outbox", outbox && formatNumber(outbox.depth), isOld ? "warning" : null),
    fact("dead-letters", deadLetters === null ? null : formatNumber(deadLetters), deadLetters > 0 ? "warning" : null),
    fact("verified", text, level, age),
  );
}

/**
 * @param {string} name @param {string | null} value null when it is unknown @param {string | null} level
 * @param {Node | null} [note]
 */
const fact = (name, value, level, note) =>
  h("div", { "data-level": level }, h("dt", {}, t(`fact.${name}`)), h("dd", {}, value ?? t("unknown"), note));

/** @param {any} snapshot @returns {number | null} */
const writesPerSecond = ({ topics }) =>
  topics &&
  Object.entries(topics)
    .filter(([name]) => name.endsWith(".events"))
    .reduce((sum, [, topic]) => sum + (topic.perSecond ?? 0), 0);

/** @param {any} snapshot @param {number} nowMs */
function verificationFact(snapshot, nowMs) {
  const { verifications } = snapshot;
  if (!verifications) return { text: null, level: null, age: null };
  if (verifications.length === 0) return { text: t("fact.never"), level: null, age: null };
  const oldestMs = Math.min(...verifications.map((/** @type {any} */ { at }) => Date.parse(at)));
  const count = differingReplicas(snapshot).length;
  const text = count > 0 ? t("fact.differs", { count }) : t("fact.equal");
  return { text, level: count > 0 ? "error" : null, age: h("small", {}, formatAge(oldestMs, nowMs)) };
}
