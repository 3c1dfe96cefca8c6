/**
 * Step *onApplied*: calls the project's function for each state that is committed, cached and acknowledged.
 *
 * - At least once: the position of a batch moves when the function has succeeded for each of its changes, or the change
 *   is a dead letter. A process that dies before that calls the function again.
 * - For the newest state of an entity in a batch. Versions between may be skipped.
 * - In the order of versions for each entity. Different entities are called at the same time.
 * - Again for a redelivery, a replay or a resend of the same version; not for a change that is older than the row.
 *
 * A function that fails or hangs stops nothing: each change has a bounded number of attempts, each with a time limit.
 */
import type { DeadLetterCause } from "../contracts/dead-letter.ts";
import type { AppliedChange, EntityDeclaration, ReplicaDeclaration } from "../contracts/entity/declaration.ts";
import { LockstepError } from "../contracts/errors.ts";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import { ConcurrencyLimit } from "../platform/async/limit.ts";
import { sleep } from "../platform/async/sleep.ts";
import { withTimeout } from "../platform/async/timeout.ts";
import { framesOf, type RejectedRecord } from "./dead-letters.ts";
import type { ReceivedEvent } from "./decode.ts";

/** Calls at the same time. */
const MAX_CONCURRENT = 32;
/** Longest time of an attempt, in milliseconds. */
const TIMEOUT_MS = 5_000;
/** Delays before each further attempt, in milliseconds. */
const RETRY_DELAYS_MS = [100, 1_000];
/** After this many changes that failed in a row, each change has one short attempt, until one succeeds. */
const BROKEN_AFTER = 10;
const BROKEN_TIMEOUT_MS = 1_000;

/** The function did not return in time. It may still do so. */
class HookTimeoutError extends LockstepError {
  constructor(timeoutMs: number) {
    super("HOOK_TIMEOUT", `onApplied did not return within ${timeoutMs} ms`);
  }
}

/** Collaborators of {@link AppliedHook}. */
export interface AppliedHookDeps {
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Aborts when the process stops. */
  readonly signal: AbortSignal;
}

/** Calls the function of one entity in one replica. */
export class AppliedHook {
  private readonly limit = new ConcurrencyLimit(MAX_CONCURRENT);
  private consecutiveFailures = 0;

  constructor(
    private readonly deps: AppliedHookDeps,
    private readonly entity: Pick<EntityDeclaration, "name">,
    private readonly replica: string,
    private readonly onApplied: NonNullable<ReplicaDeclaration["onApplied"]>,
  ) {}

  /**
   * Calls the function for each event.
   *
   * @param events each entity once.
   * @returns the events for which it failed.
   * @throws the signal's reason. The log has to deliver the batch again.
   */
  async call(events: readonly ReceivedEvent[]): Promise<RejectedRecord[]> {
    const failures = await Promise.all(events.map((event) => this.limit.run(() => this.callOne(event))));
    return failures.filter((failure) => failure !== undefined);
  }

  private async callOne(event: ReceivedEvent): Promise<RejectedRecord | undefined> {
    const { logger, metrics, signal } = this.deps;
    const { id, version, document } = event;
    const isBroken = this.consecutiveFailures >= BROKEN_AFTER;
    const delays = isBroken ? [] : RETRY_DELAYS_MS;
    for (let attempt = 0; ; attempt++)
      try {
        signal.throwIfAborted();
        await this.attempt({ entity: this.entity.name, id, version, document }, isBroken);
        this.consecutiveFailures = 0;
        metrics.hookCalls.inc({ replica: this.replica, outcome: attempt === 0 ? "succeeded" : "retried" });
        return undefined;
      } catch (error) {
        signal.throwIfAborted();
        const delayMs = delays[attempt];
        if (delayMs !== undefined) {
          await sleep(delayMs, signal);
          continue;
        }
        this.consecutiveFailures++;
        metrics.hookCalls.inc({ replica: this.replica, outcome: "failed" });
        logger.warn(
          { err: error, id, version, attempts: attempt + 1 },
          "onApplied failed; its change becomes a dead letter",
        );
        return { record: event.record, cause: hookFailedCause(error, attempt + 1, this.replica) };
      }
  }

  private async attempt(change: AppliedChange, isBroken: boolean): Promise<void> {
    const timeoutMs = isBroken ? BROKEN_TIMEOUT_MS : TIMEOUT_MS;
    await withTimeout(
      Promise.try(() => this.onApplied(change)),
      timeoutMs,
      () => new HookTimeoutError(timeoutMs),
    );
  }
}

/** Without the error's message, which may quote the document. */
function hookFailedCause(error: unknown, attempts: number, replica: string): DeadLetterCause {
  const kind = error instanceof Error ? error.name : "unknown";
  const what = error instanceof HookTimeoutError ? error.message : `onApplied threw ${kind}`;
  const detail = `${what} (${attempts} ${attempts === 1 ? "attempt" : "attempts"})`;
  return { reason: "hook-failed", detail, stack: [detail, ...framesOf(error)].join("\n"), replica };
}
