/** What is not as it should be, from a snapshot. Pure. */

/**
 * @typedef {"well" | "care" | "bad"} Level
 * @typedef {{ level: Level, why: string, name?: string, count?: number }} Trouble `why` names a text
 */

const LAG = 500;
const OUTBOX_S = 5;

/** The worst first. @param {any} snapshot @returns {Trouble[]} */
export function troubles(snapshot) {
  /** @type {Trouble[]} */
  const found = [];
  if (!snapshot.follows) found.push({ level: "bad", why: "why.log" });
  if (!snapshot.outbox) found.push({ level: "bad", why: "why.source" });
  for (const { name, health } of snapshot.services ?? [])
    if (health !== "ready") found.push({ level: "bad", why: health === "down" ? "why.down" : "why.unwell", name });
  for (const name of differing(snapshot)) found.push({ level: "bad", why: "why.differs", name });
  for (const name in snapshot.paused ?? {}) found.push({ level: "care", why: "why.paused", name });
  for (const { name, lag } of snapshot.follows ?? [])
    if (lag >= LAG && !snapshot.paused?.[name]) found.push({ level: "care", why: "why.lag", name, count: lag });
  if (snapshot.outbox?.oldestAgeSeconds > OUTBOX_S) found.push({ level: "care", why: "why.outbox" });
  for (const [name, { cache }] of Object.entries(snapshot.replicas))
    if (cache === "off" || cache === "away") found.push({ level: "care", why: "why.cache", name });
  return found;
}

/** Replicas that differed from the source at their last verification. @param {any} snapshot @returns {string[]} */
export const differing = (snapshot) => [
  ...new Set(
    (snapshot.verifications ?? [])
      .filter((/** @type {any} */ one) => Object.keys(one.differing).length > 0)
      .map((/** @type {any} */ one) => one.replica),
  ),
];

/** How a service is, all of its instances together. @param {any} snapshot @param {string} name */
export function serviceOf(snapshot, name) {
  const instances = (snapshot?.services ?? []).filter((/** @type {any} */ one) => one.name === name);
  const worst = ["down", "not ready", "ready"].find((health) =>
    instances.some((/** @type {any} */ one) => one.health === health),
  );
  return { health: worst ?? null, version: instances[0]?.version ?? null };
}
