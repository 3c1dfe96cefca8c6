/** The status of the whole system, read from the servers themselves and from what the services report. */
import { STALLED_MS } from "../../contracts/conditions.ts";
import type { Project } from "../../contracts/project.ts";
import type { ActiveCondition } from "../conditions/active-condition.ts";
import { conditionText } from "../conditions/active-condition.ts";
import { ConditionReader, type SystemState } from "../conditions/condition-reader.ts";
import type { OutboxState } from "../conditions/from-source.ts";
import { totalOf } from "../conditions/open-dead-letters.ts";
import type { Connections } from "../connect.ts";
import type { LastVerification } from "../verify/results.ts";
import type { ConsumerLag } from "./consumer-lag.ts";
import type { ServiceHealth } from "./service-health.ts";

/** The JSON output of `lockstep status`. A null member could not be read; a condition says why. */
export interface Status {
  /** True when everything was read and no condition is present. */
  readonly ok: boolean;
  /** Each condition in words; empty when there is none. */
  readonly problems: readonly string[];
  readonly conditions: readonly ActiveCondition[];
  readonly services: readonly ServiceHealth[];
  /** The source's outbox: number of changes, and the age of the oldest. */
  readonly outbox: OutboxState | null;
  readonly follows: readonly ConsumerLag[] | null;
  /** Number of open dead letters. */
  readonly deadLetters: number | null;
  readonly verifications: readonly LastVerification[] | null;
  /** Sentences about what is ignored on purpose: columns that are not declared. */
  readonly notes: readonly string[];
}

/** Longest time for the response of one part, in milliseconds. */
const TIMEOUT_MS = 5_000;
/** Time between two reads of the positions while a consumer may be stalled, in milliseconds. */
const REREAD_MS = 1_000;

/** How {@link readStatus} reads. */
export interface StatusOptions {
  /** Interval of the periodic verification, in seconds; 0: it is off. */
  readonly verifyEverySeconds: number;
  /**
   * Waits up to 10 s while a partition has unread records and its position does not change: only time tells whether its
   * consumer is stalled.
   */
  readonly watchProgress: boolean;
  /** Ends that wait. */
  readonly signal?: AbortSignal;
}

/** Reads the status of every part at the same time. Never rejects: a part that cannot be read is a condition. */
export async function readStatus(connections: Connections, project: Project, options: StatusOptions): Promise<Status> {
  const { verifyEverySeconds, watchProgress, signal } = options;
  const reader = new ConditionReader(connections, project, { timeoutMs: TIMEOUT_MS, verifyEverySeconds });
  const deadline = performance.now() + STALLED_MS + REREAD_MS;
  let state = await reader.read();
  for (let isFirst = true; watchProgress && mayBeStalled(state); isFirst = false) {
    const isOver = performance.now() >= deadline || signal?.aborted;
    if (isOver || !(isFirst || reader.progress.isWaiting)) break;
    await Bun.sleep(REREAD_MS);
    state = await reader.read();
  }
  return statusOf(state);
}

/** A stall that another condition explains needs no watching: the consumer is down, or reports the stall itself. */
function mayBeStalled({ consumers, conditions }: SystemState): boolean {
  const explained = new Set<string>(["service-down", "partition-stalled", "log-unavailable"]);
  const isExplained = (name: string) =>
    conditions.some(({ condition, where }) => explained.has(condition) && where.startsWith(name));
  return (consumers ?? []).some(({ name, lag, paused }) => lag > 0 && !paused && !isExplained(name));
}

/** What the status says about a state. */
export function statusOf(state: SystemState): Status {
  const { conditions, services, outbox, consumers, deadLetters, verifications, notes } = state;
  return {
    ok: conditions.length === 0,
    problems: conditions.map(conditionText),
    conditions,
    services,
    outbox,
    follows: consumers,
    deadLetters: deadLetters ? totalOf(deadLetters) : null,
    verifications,
    notes,
  };
}
