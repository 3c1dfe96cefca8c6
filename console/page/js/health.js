/** Levels of conditions and services. Pure. */

/**
 * @typedef {"ok" | "warning" | "error"} Level
 * @typedef {{ condition: string, severity: "page" | "ticket", where: string, problem: string, since: string | null,
 *   remedy: string }} Condition `problem` and `remedy` in English, with names and figures
 */

/** An outbox whose oldest change is older, in seconds, is a warning. */
export const OUTBOX_WARNING_S = 5;

/** @param {Pick<Condition, "severity">} condition @returns {Level} */
export const levelOf = ({ severity }) => (severity === "page" ? "error" : "warning");

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
