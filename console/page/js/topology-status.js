/** What a node of the topology shows: a short text and a level, derived from a snapshot. */
import { healthOf, OUTBOX_WARNING_S } from "./health.js";
import { formatDuration, formatMs, formatNumber, t } from "./language.js";

/**
 * @typedef {import("./topology-layout.js").Node} Node
 * @typedef {{ text: string, level: import("./health.js").Level | null }} Status `level`: null when unknown
 */

/** An outbox whose oldest change is older, in seconds, is an error. */
const OUTBOX_ERROR_S = 30;
/** A consumer with a greater lag, in records, is a warning. */
const LAG_WARNING = 500;

/** @param {Node} node @param {import("./state.js").About} about @param {any} snapshot @returns {Status} */
export function nodeStatus(node, about, snapshot) {
  if (!snapshot) return { text: "…", level: null };
  const { id, kind, topic } = node;
  if (id === "source") return sourceStatus(snapshot);
  if (id === "dead-letter") return deadLetterStatus(snapshot);
  if (kind === "topic") return topicStatus(topic ?? "", about, snapshot);
  if (kind === "store") return storeStatus(node, snapshot);
  return serviceStatus(node, snapshot);
}

/** @param {any} snapshot @returns {Status} */
function sourceStatus({ outbox }) {
  if (!outbox) return { text: t("status.down"), level: "error" };
  const { depth: count, oldestAgeSeconds: seconds } = outbox;
  const text = seconds >= 1 ? t("status.outbox-age", { count, seconds }) : t("status.outbox", { count });
  return { text, level: seconds > OUTBOX_ERROR_S ? "error" : seconds > OUTBOX_WARNING_S ? "warning" : "ok" };
}

/** @param {any} snapshot @returns {Status} */
const deadLetterStatus = ({ deadLetters }) => ({
  text: deadLetters === null ? "–" : t("status.dead-letters", { count: deadLetters }),
  level: deadLetters > 0 ? "warning" : null,
});

/** @param {string} topic @param {import("./state.js").About} about @param {any} snapshot @returns {Status} */
function topicStatus(topic, about, { topics }) {
  if (!topics) return { text: "–", level: "error" };
  const entity = about.entities.find(({ eventsTopic }) => eventsTopic === topic);
  const perSecond = topics[topic]?.perSecond;
  const rate = perSecond == null ? "–" : formatNumber(perSecond, perSecond < 10 ? 1 : 0);
  const text = entity ? t("status.schema", { rate, version: entity.schemaVersion }) : t("status.rate", { rate });
  return { text, level: null };
}

/** @param {Node} node @param {any} snapshot @returns {Status} */
function storeStatus({ id, replica = "" }, snapshot) {
  const state = snapshot.replicas[replica];
  const isCache = id.endsWith(".cache");
  const latency = latencyText(state?.[isCache ? "redis" : "postgres"]);
  if (!isCache) {
    const isDown = healthOf(snapshot, replica).health === "down";
    return { text: latency ?? t("status.idle"), level: isDown ? null : "ok" };
  }
  if (state?.cache == null) return { text: "–", level: null };
  if (state.cache === "on") return { text: latency ?? t("status.cache.on"), level: "ok" };
  return { text: t(`status.cache.${state.cache}`), level: state.cache === "not-configured" ? null : "warning" };
}

/** @param {import("./state.js").Quantiles | undefined} quantiles @returns {string | null} null without a measurement */
function latencyText(quantiles) {
  const { p50, p99 } = quantiles ?? { p50: null, p99: null };
  if (p50 === null) return null;
  const isShort = (p99 ?? 0) < 1_000;
  return t("status.latency", { p50: isShort ? formatMs(p50) : formatDuration(p50), p99: formatDuration(p99) });
}

/** @param {Node} node @param {any} snapshot @returns {Status} */
function serviceStatus({ id }, snapshot) {
  const { health, version } = healthOf(snapshot, id);
  if (health === "down") return { text: t("status.down"), level: "error" };
  if (health === "not ready") return { text: t("status.not-ready"), level: "error" };
  const consumers = (snapshot.consumers ?? []).filter((/** @type {any} */ { name }) => name === id);
  const count = consumers.reduce((/** @type {number} */ sum, /** @type {any} */ { lag }) => sum + lag, 0);
  if (snapshot.paused?.[id]) return { text: t("status.paused", { count }), level: "warning" };
  if (consumers.length > 0) return { text: t("status.lag", { count }), level: count > LAG_WARNING ? "warning" : "ok" };
  const text = version ? t("status.version", { version }) : health ? t("status.ready") : "–";
  return { text, level: health ? "ok" : null };
}
