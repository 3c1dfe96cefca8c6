/** Pause and resume of a service: it watches the control topic and pauses its consumer accordingly. */
import { type Control, decodeControl } from "../contracts/control.ts";
import type { Namespaced } from "../contracts/project.ts";
import { controlTopic } from "../contracts/topics.ts";
import type { Consumer, Log, StoredRecord } from "../kafka/log.ts";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import { withTimeout } from "../platform/async/timeout.ts";
import type { Check } from "../platform/service.ts";

/** Longest time that a start waits for the current state, in milliseconds. */
const READ_TIMEOUT_MS = 10_000;

interface PauseControlDeps {
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, "paused">;
  readonly project: Namespaced;
}

/** The newest command of an operator for this service. Without a command the service runs. */
export class PauseControl {
  private control: Control | undefined;
  private consumer: Pick<Consumer, "paused"> | undefined;

  constructor(private readonly deps: PauseControlDeps) {
    deps.metrics.paused.set(0);
  }

  /** Reports that the service is paused. A paused replica still answers reads. */
  readonly check: Check = {
    condition: "paused",
    blocksReadiness: false,
    problem: () => (this.control?.paused ? `paused since ${this.control.at}${reasonOf(this.control)}` : undefined),
  };

  /** Whether the service is paused now. */
  get paused(): boolean {
    return this.control?.paused ?? false;
  }

  /**
   * Starts to watch the control topic. Resolves when the current state is known.
   *
   * @param key the service: a key of `contracts/control.ts`.
   * @param onRecord called with every record of the topic, in order.
   * @returns a promise that rejects when watching fails. The service must end then, because it would miss later
   * commands.
   * @throws {Error} when the control topic cannot be read within {@link READ_TIMEOUT_MS}.
   */
  async watch(
    log: Log,
    key: string,
    copies: { replicationFactor: number; minInSyncReplicas: number },
    onRecord: (record: StoredRecord) => void = () => {},
  ): Promise<{ readonly ended: Promise<void> }> {
    const topic = controlTopic(this.deps.project);
    await log.ensureTopics([topic], { ...copies, partitions: 1 });
    const watcher = await log.watch({
      topic: topic.name,
      from: "start",
      onRecords: (records) => {
        for (const record of records) {
          if (record.key?.toString() === key) this.apply(decodeControl(record.value));
          onRecord(record);
        }
      },
    });
    await withTimeout(
      watcher.caughtUp,
      READ_TIMEOUT_MS,
      () => new Error(`topic ${topic.name} could not be read within ${READ_TIMEOUT_MS} ms; check the brokers`),
    );
    return { ended: watcher.ended };
  }

  /** Pauses and resumes this consumer from now on. */
  attach(consumer: Pick<Consumer, "paused">): void {
    this.consumer = consumer;
    consumer.paused = this.paused;
  }

  private apply(control: Control | undefined): void {
    if (!control) return;
    const { logger, metrics } = this.deps;
    const { paused, reason } = control;
    if (paused !== this.paused)
      logger.warn({ reason }, paused ? "an operator paused the service" : "an operator resumed the service");
    this.control = control;
    metrics.paused.set(paused ? 1 : 0);
    if (this.consumer) this.consumer.paused = paused;
  }
}

const reasonOf = ({ reason }: Control): string => (reason ? `: ${reason}` : "");
