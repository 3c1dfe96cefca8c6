/** Derives problems from a snapshot. Pure. */

/**
 * @typedef {"ok" | "warning" | "error"} Level
 * @typedef {{ level: Level, text: string, name?: string, count?: number }} Problem `text` is the key of its text
 */

/** A consumer with this lag or more, in records, is a warning. */
const LAG_WARNING = 500;
/** An outbox whose oldest change is older, in seconds, is a warning. */
export const OUTBOX_WARNING_S = 5;

/** All problems, errors first. @param {any} snapshot @returns {Problem[]} */
export function problemsOf(snapshot) {
  /** @type {Problem[]} */
  const found = [];
  if (!snapshot.consumers) found.push({ level: "error", text: "problem.log" });
  if (!snapshot.outbox) found.push({ level: "error", text: "problem.source" });
  for (const { name, health } of snapshot.services ?? [])
    if (health !== "ready")
      found.push({ level: "error", text: health === "down" ? "problem.down" : "problem.not-ready", name });
  for (const name of differingReplicas(snapshot)) found.push({ level: "error", text: "problem.differs", name });
  for (const name in snapshot.paused ?? {}) found.push({ level: "warning", text: "problem.paused", name });
  for (const { name, lag } of snapshot.consumers ?? [])
    if (lag >= LAG_WARNING && !snapshot.paused?.[name])
      found.push({ level: "warning", text: "problem.lag", name, count: lag });
  if (snapshot.outbox?.oldestAgeSeconds > OUTBOX_WARNING_S) found.push({ level: "warning", text: "problem.outbox" });
  for (const [name, { cache }] of Object.entries(snapshot.replicas))
    if (cache === "off" || cache === "unavailable") found.push({ level: "warning", text: "problem.cache", name });
  return found;
}

/** Replicas that differed from the source in their last verification. @param {any} snapshot @returns {string[]} */
export const differingReplicas = (snapshot) => [
  ...new Set(
    (snapshot.verifications ?? [])
      .filter((/** @type {any} */ result) => Object.keys(result.differing).length > 0)
      .map((/** @type {any} */ result) => result.replica),
  ),
];

/** The worst health of a service's instances; null when it is unknown. @param {any} snapshot @param {string} name */
export function healthOf(snapshot, name) {
  const instances = (snapshot?.services ?? []).filter((/** @type {any} */ service) => service.name === name);
  const worst = ["down", "not ready", "ready"].find((health) =>
    instances.some((/** @type {any} */ instance) => instance.health === health),
  );
  return { health: worst ?? null, version: instances[0]?.version ?? null };
}
