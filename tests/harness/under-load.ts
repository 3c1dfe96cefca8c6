/** Runs writers and readers during faults, waits until the replicas have caught up, and checks every invariant. */
import { connectLog } from "../../kafka/connect-log.ts";
import { createLogger } from "../../observability/logger.ts";
import { Reader, Writers } from "./load.ts";
import type { Stack } from "./stack.ts";
import { findLostWrites, findTopicViolations, untilInStep } from "./stack-checker.ts";

/** Counts and violations of one run under load. */
export interface LoadResult {
  /** Writes that were answered with 2xx. */
  readonly acks: number;
  readonly reads: number;
  /** Writes and reads that were rejected or got no response. */
  readonly unanswered: number;
  /** `unanswered` without the 404 responses to writes: another writer had deleted that product, which is no fault. */
  readonly failed: number;
  /** The first 20 rejected or unanswered requests, each with its time. */
  readonly problems: readonly string[];
  /** Milliseconds from the last write until the replicas equalled the source. */
  readonly settledMs: number;
  /** Broken invariants. Must be empty. */
  readonly violations: readonly string[];
}

/**
 * Writes `perSecond` and reads while `faults` runs. Then waits until the replicas equal the source, and checks them.
 *
 * @param settleMs longest wait for the replicas after the last write.
 * @throws {Error} when a replica still differs from the source after `settleMs`.
 */
export async function runUnderLoad(
  stack: Stack,
  perSecond: number,
  faults: (writers: Writers) => Promise<void>,
  settleMs = 60_000,
): Promise<LoadResult> {
  const writers = new Writers(await stack.address("gateway"), perSecond).start();
  const ids = () => writers.ids();
  const readers = [
    new Reader("catalog", await stack.address("catalog"), ids),
    new Reader("storefront", await stack.address("storefront"), ids),
  ];
  try {
    await faults(writers);
  } finally {
    await writers.stop();
  }
  const settledMs = await untilInStep(stack, settleMs);
  for (const reader of readers) await reader.stop();
  const log = await connectLog({
    brokers: await stack.brokers(),
    clientId: "test",
    logger: createLogger("test", "1", "silent"),
  });
  try {
    const violations = [
      ...(await findLostWrites(stack, writers)),
      ...readers.flatMap((reader) => reader.violations.map((v) => `${v.replica}: ${v.id}: ${v.what}`)),
      ...(await findTopicViolations(stack, log)),
    ];
    const refused = [...writers.rejected.values()].reduce((sum, n) => sum + n, 0);
    const unanswered = writers.unknown + refused + readers.reduce((sum, reader) => sum + reader.unanswered, 0);
    return {
      acks: writers.acks,
      reads: readers.reduce((sum, reader) => sum + reader.reads, 0),
      unanswered,
      problems: [...writers.problems, ...readers.flatMap((reader) => reader.problems)].sort().slice(0, 20),
      failed: unanswered - (writers.rejected.get(404) ?? 0),
      settledMs,
      violations,
    };
  } finally {
    await log.close();
  }
}
