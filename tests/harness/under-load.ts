/** Load and readers around a fault, and everything that must hold once it is quiet again. */

import { connectLog } from "../../kafka/connect-log.ts";
import { createLogger } from "../../observability/logger.ts";
import { Reader, Writers } from "./load.ts";
import type { Stack } from "./stack.ts";
import { findLostWrites, findTopicViolations, untilInStep } from "./stack-checker.ts";

export interface LoadResult {
  readonly acks: number;
  readonly reads: number;
  /** Requests and reads that were refused or got no answer. */
  readonly unanswered: number;
  /** Of these, the requests that a stack which is whole would have answered: all but a 404 for what another writer had deleted meanwhile. */
  readonly failed: number;
  /** The first of them, in words. */
  readonly problems: readonly string[];
  /** Milliseconds from quiet until the replicas were in step. */
  readonly settledMs: number;
  /** Everything that must not be: empty. */
  readonly violations: readonly string[];
}

/** Writes and reads while `faults` happen, then waits for quiet and judges. */
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
