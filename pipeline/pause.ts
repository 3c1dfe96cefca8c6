/** How a service obeys `pause` and `resume`: it watches the control topic, from before its first batch on. */
import { type Control, decodeControl } from "../contracts/control.ts";
import { controlTopic } from "../contracts/topics.ts";
import type { Consumer, Log } from "../kafka/log.ts";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Check } from "../platform/service.ts";

/** Longest that a start waits to learn whether the service is paused, in milliseconds. */
const LEARN_MS = 10_000;

/** What an operator has last said to this service; until something was said it runs. */
export class Pause {
  private control: Control | undefined;
  private follower: Pick<Consumer, "paused"> | undefined;

  constructor(private readonly deps: { readonly logger: Logger; readonly metrics: Metrics }) {
    deps.metrics.paused.set(0);
  }

  /** For the service's health: paused is ready all the same, and worth knowing. */
  readonly check: Check = {
    name: "paused",
    problem: () => undefined,
    note: () => (this.control?.paused ? `paused since ${this.control.at}${reasonOf(this.control)}` : undefined),
  };

  /**
   * Begins to watch, and resolves when it is known whether the service is paused.
   *
   * @returns a promise that rejects when watching cannot go on: the service must end then, or it would not hear the next word.
   * @throws {Error} when the log does not tell within ten seconds.
   */
  async watch(
    log: Log,
    key: string,
    copies: { replicationFactor: number; minInSyncReplicas: number },
  ): Promise<{ readonly ended: Promise<void> }> {
    await log.ensureTopics([controlTopic], { ...copies, partitions: 1 });
    const watcher = await log.watch({
      topic: controlTopic.name,
      from: "start",
      onRecords: (records) => {
        for (const record of records) if (record.key?.toString() === key) this.obey(decodeControl(record.value));
      },
    });
    await timeoutMs(LEARN_MS, watcher.caughtUp);
    return { ended: watcher.ended };
  }

  get paused(): boolean {
    return this.control?.paused ?? false;
  }

  /** From now on this follower pauses and goes on as it is told. */
  rule(follower: Pick<Consumer, "paused">): void {
    this.follower = follower;
    follower.paused = this.paused;
  }

  private obey(control: Control | undefined): void {
    if (!control) return;
    const { logger, metrics } = this.deps;
    if (control.paused !== this.paused)
      logger.warn({ reason: control.reason }, control.paused ? "paused by an operator" : "resumed by an operator");
    this.control = control;
    metrics.paused.set(control.paused ? 1 : 0);
    if (this.follower) this.follower.paused = control.paused;
  }
}

const reasonOf = ({ reason }: Control): string => (reason ? `: ${reason}` : "");

async function timeoutMs(ms: number, work: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${controlTopic.name} was not read within ${ms} ms`)), ms);
  await Promise.race([work, late.promise]).finally(() => clearTimeout(timer));
}
