/** Reads the parts of a system in bounded time, and turns a part that cannot be read into a condition. */
import type { ConditionName } from "../../contracts/conditions.ts";
import { LockstepError } from "../../contracts/errors.ts";
import { withTimeout } from "../../platform/async/timeout.ts";
import { isUnavailable } from "../../platform/postgres/errors.ts";
import { type ActiveCondition, activeCondition } from "./active-condition.ts";

/** A part has not responded in time. */
export class NoResponseError extends LockstepError {
  constructor(seconds: number) {
    super("NO_RESPONSE", `no response within ${seconds} s`);
  }
}

/** A part: its name for people, and the condition while its server does not respond. */
export interface Part {
  /** Unique: concurrent reads of the same part share one run. */
  readonly name: string;
  /** The place that the condition names. */
  readonly where: string;
  /** Undefined: when it is not read, only that is known. */
  readonly unavailable?: ConditionName;
}

/** What was read, or the condition that says why nothing was. */
export type Reading<T> =
  | { readonly value: T; readonly failure?: undefined }
  | { readonly value?: undefined; readonly failure: ActiveCondition };

/** Never reads the same part twice at a time, so that a server that hangs does not collect requests. */
export class BoundedReader {
  private readonly pending = new Map<string, Promise<unknown>>();

  /** @param timeoutMs how long each part may take, in milliseconds. */
  constructor(private readonly timeoutMs: number) {}

  /** Reads one part. Never rejects. A read that took too long continues, and the next one of this part joins it. */
  async read<T>(part: Part, work: () => Promise<T>): Promise<Reading<T>> {
    try {
      const expired = () => new NoResponseError(this.timeoutMs / 1_000);
      return { value: await withTimeout(this.start(part.name, work), this.timeoutMs, expired) };
    } catch (error) {
      return { failure: failureOf(error, part) };
    }
  }

  private start<T>(name: string, work: () => Promise<T>): Promise<T> {
    const running = this.pending.get(name) as Promise<T> | undefined;
    if (running) return running;
    // An async function: `work` may also throw.
    const started = (async () => work())().finally(() => this.pending.delete(name));
    started.catch(() => {}); // Nobody waits for it after the time limit.
    this.pending.set(name, started);
    return started;
  }
}

function failureOf(error: unknown, { name, where, unavailable }: Part): ActiveCondition {
  const message = error instanceof Error ? error.message : String(error);
  const isDown = error instanceof NoResponseError || isUnavailable(error);
  if (unavailable && isDown) return activeCondition(unavailable, where, message);
  return activeCondition("status-unknown", where, `${name} could not be read: ${message}`);
}
