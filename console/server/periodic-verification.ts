/**
 * Verifies all replicas at a fixed interval and reports the result in metrics and in the log. A verification that an
 * operator or another console ran counts as well: the results are in the source's database.
 */
import type { Project } from "../../contracts/project.ts";
import type { Logger } from "../../observability/logger.ts";
import type { Metrics } from "../../observability/metrics.ts";
import type { Connections } from "../../operations/connect.ts";
import { countByKind, type LastVerification, readLastVerifications } from "../../operations/verify/results.ts";
import type { VerifyResult } from "../../operations/verify/verify.ts";
import { verifyReplicas } from "../../operations/verify/verify-replicas.ts";
import { sleepUnlessAborted } from "../../platform/async/sleep.ts";
import type { Service } from "../../platform/service.ts";

/** Interval and intensity of the verifications. */
export interface PeriodicVerificationOptions {
  /** Seconds between two verifications; 0 switches them off. */
  readonly everySeconds: number;
  /** Part of the time that a verification works instead of resting: above 0, at most 1. */
  readonly share: number;
  /** A verification waits this many seconds for a replica to apply the latest commits. */
  readonly catchUpTimeoutSeconds: number;
  /** Interval in milliseconds between two checks whether a verification is due, which also update the metrics. */
  readonly pollIntervalMs: number;
}

/** Collaborators of {@link startPeriodicVerification}. */
export interface PeriodicVerificationDeps {
  readonly connections: Connections;
  readonly project: Project;
  readonly metrics: Pick<Metrics, "divergentRows" | "verifiedAt">;
  readonly logger: Logger;
}

const SECOND_MS = 1_000;
/**
 * The first verification waits this many seconds, because all services start at the same time. It does not wait when a
 * replica has no result at all.
 */
const FIRST_DELAY_S = 60;
/** Ids of differing rows in one log line, at most. */
const MAX_LOGGED_IDS = 20;

/**
 * Starts the loop. `ended` never rejects: a verification that fails is logged and repeated when the next one is due.
 * `stop` aborts a verification in progress and waits for its end.
 */
export function startPeriodicVerification(
  deps: PeriodicVerificationDeps,
  options: PeriodicVerificationOptions,
): Service {
  const ending = new AbortController();
  const ended = verifyUntilAborted(deps, options, ending.signal);
  return {
    ended,
    async stop() {
      ending.abort(new Error("the console is stopping"));
      await ended;
    },
  };
}

async function verifyUntilAborted(
  deps: PeriodicVerificationDeps,
  options: PeriodicVerificationOptions,
  signal: AbortSignal,
): Promise<void> {
  const { connections, project, metrics, logger } = deps;
  const { everySeconds, pollIntervalMs } = options;
  let isFirst = true;
  let notBefore = performance.now() + Math.min(FIRST_DELAY_S, everySeconds) * SECOND_MS;
  for (;;) {
    await sleepUnlessAborted(pollIntervalMs, signal);
    if (signal.aborted) return;
    try {
      const last = await readLastVerifications(connections.source());
      updateMetrics(metrics, last);
      const isNew = everySeconds > 0 && hasUnverifiedReplica(project, last);
      const mustWait = performance.now() < notBefore && !(isNew && isFirst);
      if (mustWait || !(isNew || isDue(last, Date.now(), everySeconds))) continue;
      isFirst = false;
      notBefore = performance.now() + everySeconds * SECOND_MS;
      await verifyNow(deps, options, signal);
      updateMetrics(metrics, await readLastVerifications(connections.source()));
    } catch (error) {
      if (!signal.aborted)
        logger.warn({ err: error }, "periodic verification failed; it runs again when the next is due");
    }
  }
}

/** True without a result, or when the oldest is `everySeconds` old or older. False when `everySeconds` is 0. Pure. */
export function isDue(last: readonly Pick<LastVerification, "at">[], nowMs: number, everySeconds: number): boolean {
  if (everySeconds === 0) return false;
  const oldest = Math.min(...last.map(({ at }) => at.getTime()));
  return last.length === 0 || nowMs - oldest >= everySeconds * SECOND_MS;
}

const hasUnverifiedReplica = ({ entities }: Project, last: readonly LastVerification[]): boolean =>
  entities.some(({ name, replicas }) =>
    replicas.some((replica) => !last.some((result) => result.entity === name && result.replica === replica.name)),
  );

async function verifyNow(
  { connections, project, logger }: PeriodicVerificationDeps,
  { share, catchUpTimeoutSeconds }: PeriodicVerificationOptions,
  signal: AbortSignal,
): Promise<void> {
  const scope = { cache: true, share, within: catchUpTimeoutSeconds, knownOnly: true };
  for (const result of await verifyReplicas({ connections, project, progress: () => {}, signal }, scope))
    logResult(logger, result);
}

function logResult(logger: Logger, result: VerifyResult): void {
  const { entity, replica, rows, seconds, cache, entries, behind, differences, unknown } = result;
  const fields = { entity, replica, rows, seconds: Math.round(seconds), cache, entries };
  if (differences.length > 0) {
    const ids = differences.slice(0, MAX_LOGGED_IDS).map(({ id }) => id);
    logger.error({ ...fields, ...countByKind(result), ids }, "replica differs from the source; run lockstep repair");
  } else if (unknown !== null) logger.warn({ ...fields, unknown }, "the replica could not be compared");
  else if (behind)
    logger.warn(fields, "verified without differences, but the replica has not applied the latest commits");
  else logger.info(fields, "verified: replica and source are equal");
}

function updateMetrics(metrics: PeriodicVerificationDeps["metrics"], last: readonly LastVerification[]): void {
  for (const [replica, results] of Map.groupBy(last, ({ replica }) => replica)) {
    const differing = results.flatMap((result) => Object.values(result.differing)).reduce((sum, n) => sum + n, 0);
    metrics.divergentRows.set({ replica }, differing);
    metrics.verifiedAt.set({ replica }, Math.min(...results.map(({ at }) => at.getTime())) / SECOND_MS);
  }
}
