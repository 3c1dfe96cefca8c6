/**
 * Reads the conditions of the whole system every second, for the page, the HTTP API and the gauge that alerts read.
 * It sees a service that hangs or is down, which cannot report anything itself.
 */
import type { ConditionName } from "../../contracts/conditions.ts";
import type { Project } from "../../contracts/project.ts";
import type { Metrics } from "../../observability/metrics.ts";
import { ConditionReader, type SystemState } from "../../operations/conditions/condition-reader.ts";
import type { Connections } from "../../operations/connect.ts";
import { sleepUnlessAborted } from "../../platform/async/sleep.ts";
import type { Check } from "../../platform/service.ts";

/** Time between the starts of two reads, in milliseconds. A read that takes longer is followed by the next at once. */
const INTERVAL_MS = 1_000;
/** Longest time for the response of one part, in milliseconds. With the interval: a change is seen within 10 s. */
const TIMEOUT_MS = 3_000;
/** A state that is older is not shown, in milliseconds. */
const MAX_AGE_MS = 15_000;

/** Conditions that the console sees from outside. Services report the others themselves. */
const seenFromOutside: readonly ConditionName[] = [
  "service-down",
  "source-unavailable",
  "source-read-only",
  "capture-incomplete",
  "table-drifted",
  "outbox-stalled",
  "rows-set-aside",
  "events-lost",
  "log-unavailable",
  "records-lost",
  "partition-stalled",
  "paused",
  "dead-letters-open",
  "database-unavailable",
  "database-read-only",
  "log-incomplete",
  "replica-empty",
  "replica-differs",
  "verification-stale",
  "not-verified",
  "status-unknown",
];

/** What the monitor needs. */
export interface ConditionMonitorDeps {
  readonly connections: Connections;
  readonly project: Project;
  readonly metrics: Pick<Metrics, "outboxDepth" | "outboxOldestAge" | "consumerLag">;
}

/** Reads from its construction on, until it is stopped. */
export class ConditionMonitor {
  /** A check for each condition that is seen from outside. None blocks the console's readiness. */
  readonly checks: readonly Check[] = seenFromOutside.map((condition) => ({
    condition,
    blocksReadiness: false,
    problem: () => this.problemOf(condition),
  }));
  private readonly ending = new AbortController();
  /** Resolves with the result of the next read. */
  private next = Promise.withResolvers<SystemState>();
  private state: SystemState | undefined;
  private readAtMs = Number.NEGATIVE_INFINITY;

  /** @param verifyEverySeconds interval of the periodic verification; 0: it is off. */
  constructor(
    private readonly deps: ConditionMonitorDeps,
    verifyEverySeconds: number,
  ) {
    const options = { timeoutMs: TIMEOUT_MS, verifyEverySeconds };
    void this.run(new ConditionReader(deps.connections, deps.project, options));
  }

  /** The last state; undefined before the first read, and when it is too old to be shown. */
  get current(): SystemState | undefined {
    return performance.now() - this.readAtMs < MAX_AGE_MS ? this.state : undefined;
  }

  /** The last state, or the next one when there is none that may be shown. */
  async latest(): Promise<SystemState> {
    return this.current ?? this.next.promise;
  }

  stop(): void {
    this.ending.abort();
  }

  private async run(reader: ConditionReader): Promise<void> {
    const { signal } = this.ending;
    while (!signal.aborted) {
      const startedMs = performance.now();
      const state = await reader.read();
      this.state = state;
      this.readAtMs = performance.now();
      this.next.resolve(state);
      this.next = Promise.withResolvers();
      this.updateMetrics(state);
      await sleepUnlessAborted(Math.max(0, INTERVAL_MS - (performance.now() - startedMs)), signal);
    }
  }

  private problemOf(condition: ConditionName): string | undefined {
    const state = this.current;
    if (!state) return condition === "status-unknown" ? "console: the conditions have not been read yet" : undefined;
    const present = state.seen.filter((active) => active.condition === condition);
    return present.map(({ where, problem }) => `${where}: ${problem}`).join("; ") || undefined;
  }

  /** A service that hangs cannot report its lag, and the lag matters most at that time. */
  private updateMetrics({ outbox, consumers }: SystemState): void {
    const { metrics } = this.deps;
    if (outbox) {
      metrics.outboxDepth.set(outbox.depth);
      metrics.outboxOldestAge.set(outbox.oldestAgeSeconds);
    }
    // Lag of each consumer group and partition number, summed over the topics that the group reads.
    for (const [group, lags] of Map.groupBy(consumers ?? [], (consumer) => consumer.group)) {
      const partitions = lags.flatMap(({ partitions }) => partitions);
      for (const [partition, ofPartition] of Map.groupBy(partitions, ({ partition }) => partition)) {
        const lag = ofPartition.reduce((sum, { lag }) => sum + lag, 0);
        metrics.consumerLag.set({ group, partition: String(partition) }, lag);
      }
    }
  }
}
