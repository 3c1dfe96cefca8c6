/**
 * Verification that goes on by itself: gently, so often as is set, and told by metrics and the log. What an operator verified by hand
 * counts as well, and so does what another process of this service did.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "../../observability/logger.ts";
import type { Metrics } from "../../observability/metrics.ts";
import type { Connections } from "../../operations/connect.ts";
import { countByKind, type LastVerification, readLastVerifications } from "../../operations/verify/results.ts";
import type { VerifyResult } from "../../operations/verify/verify.ts";
import { verifyReplicas } from "../../operations/verify/verify-replicas.ts";
import type { Service } from "../../platform/service.ts";

export interface PeriodicSettings {
  /** Seconds from one verification to the next; 0: never. */
  readonly everySeconds: number;
  /** Part of the time that is spent working, above 0 up to 1. */
  readonly share: number;
  /** How long a replica may take to hear of what was just committed, in seconds. */
  readonly withinSeconds: number;
  /** How often to look whether one is due, in milliseconds; the metrics are as old as that, too. */
  readonly lookEveryMs: number;
}

export interface PeriodicParts {
  readonly connections: Connections;
  readonly metrics: Pick<Metrics, "divergentRows" | "verifiedAt">;
  readonly logger: Logger;
}

const SECOND = 1_000;
/** Not at once after the start, when everything else starts as well. */
const FIRST_AFTER_S = 60;

/** Never rejects: a verification that could not be done is logged, and tried again when one is due. */
export function startPeriodicVerification(deps: PeriodicParts, settings: PeriodicSettings): Service {
  const ending = new AbortController();
  const { signal } = ending;
  const loop = async () => {
    let notBefore = performance.now() + Math.min(FIRST_AFTER_S, settings.everySeconds) * SECOND;
    while (!signal.aborted) {
      await sleep(settings.lookEveryMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      try {
        const last = await readLastVerifications(deps.connections.source());
        show(deps.metrics, last);
        if (performance.now() < notBefore || !isDue(last, Date.now(), settings.everySeconds)) continue;
        notBefore = performance.now() + settings.everySeconds * SECOND;
        await verifyNow(deps, settings, signal);
        show(deps.metrics, await readLastVerifications(deps.connections.source()));
      } catch (error) {
        if (!signal.aborted) deps.logger.warn({ err: error }, "the verification could not be done");
      }
    }
  };
  const ended = loop();
  return {
    ended,
    async stop() {
      ending.abort(new Error("stopped"));
      await ended;
    },
  };
}

/** True when the oldest of the last verifications, or none, is longer ago than so many seconds. Pure. */
export function isDue(last: readonly Pick<LastVerification, "at">[], nowMs: number, everySeconds: number): boolean {
  if (everySeconds === 0) return false;
  const oldest = Math.min(...last.map(({ at }) => at.getTime()));
  return last.length === 0 || nowMs - oldest >= everySeconds * SECOND;
}

async function verifyNow({ connections, logger }: PeriodicParts, settings: PeriodicSettings, signal: AbortSignal) {
  const scope = { cache: true, share: settings.share, within: settings.withinSeconds, knownOnly: true };
  for (const one of await verifyReplicas({ connections, progress: () => {}, signal }, scope)) report(logger, one);
}

/** How many ids a log line names. */
const MOST_NAMED = 20;

function report(logger: Logger, one: VerifyResult): void {
  const { entity, replica, rows, seconds, cache, entries, behind, differences } = one;
  const told = { entity, replica, rows, seconds: Math.round(seconds), cache, entries };
  if (differences.length > 0) {
    const ids = differences.slice(0, MOST_NAMED).map(({ id }) => id);
    logger.error({ ...told, ...countByKind(one), ids }, "the replica differs from the source: run lockstep repair");
  } else if (behind) logger.warn(told, "verified: the replica has not heard of everything yet");
  else logger.info(told, "verified: equal");
}

function show(metrics: PeriodicParts["metrics"], last: readonly LastVerification[]): void {
  for (const [replica, of] of Map.groupBy(last, (one) => one.replica)) {
    const differing = of.flatMap((one) => Object.values(one.differing)).reduce((sum, count) => sum + count, 0);
    metrics.divergentRows.set({ replica }, differing);
    metrics.verifiedAt.set({ replica }, Math.min(...of.map(({ at }) => at.getTime())) / SECOND);
  }
}
