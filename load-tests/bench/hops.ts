/**
 * Splits the latency from the source's commit to a replica's commit into hops. The log stores the time of each batch as
 * the timestamp of its records: the relay's batches are in the events topic, the stream's in the replica's topic.
 */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { header } from "../../contracts/event.ts";
import { eventsTopic, replicaTopic } from "../../contracts/topics.ts";
import { connectLog } from "../../kafka/connect-log.ts";
import { type Log, partitionKey } from "../../kafka/log.ts";
import { createLogger } from "../../observability/logger.ts";
import { type Commit, latencies, type TimeWindow } from "./commits.ts";
import type { Figures } from "./figures.ts";

/** Milliseconds per hop. Record timestamps are whole milliseconds, so short hops are imprecise. */
export interface HopFigures {
  /** From the source's commit to the relay's batch. */
  readonly published: Figures;
  /** From there to the stream's batch for the replica. */
  readonly routed: Figures;
  /** From there to the replica's commit. */
  readonly applied: Figures;
}

/** Reads the log before and after a phase, but not during it. */
export class Hops implements AsyncDisposable {
  /** End offset of each partition at the start of the phase. */
  private readonly startOffsets = new Map<string, number>();

  private constructor(
    private readonly log: Log,
    private readonly entity: EntityDeclaration,
  ) {}

  /** @throws {Error} when the brokers cannot be reached. */
  static async connect(brokers: readonly string[], entity: EntityDeclaration): Promise<Hops> {
    const logger = createLogger("bench", "1", "silent");
    return new Hops(await connectLog({ brokers: [...brokers], clientId: "bench", logger }), entity);
  }

  /** Starts a phase: only later records count. */
  async start(): Promise<void> {
    const { entity } = this;
    const topics = [eventsTopic(entity), ...entity.replicas.map(({ name }) => replicaTopic(entity, name))];
    for (const { name: topic } of topics)
      for (const [partition, { next }] of await this.log.offsets(topic))
        this.startOffsets.set(partitionKey({ topic, partition }), next);
  }

  /**
   * Figures by replica. Only changes that the replica has applied count, each with its newest version.
   *
   * @param applied commits by replica.
   */
  async figures(
    source: readonly Commit[],
    applied: ReadonlyMap<string, readonly Commit[]>,
    window: TimeWindow,
  ): Promise<ReadonlyMap<string, HopFigures>> {
    const published = await this.batchTimes(eventsTopic(this.entity).name);
    const inWindow = source.filter(({ ms }) => ms >= window.fromMs && ms <= window.toMs);
    const always = { fromMs: 0, toMs: Number.POSITIVE_INFINITY };
    const hopsByReplica = new Map<string, HopFigures>();
    for (const [replica, commits] of applied) {
      const routed = await this.batchTimes(replicaTopic(this.entity, replica).name);
      const appliedChanges = new Set(commits.map(changeOf));
      const completed = inWindow.filter((commit) => appliedChanges.has(changeOf(commit)));
      const withTimes = (times: ReadonlyMap<string, number>): Commit[] =>
        completed.flatMap((commit) => {
          const ms = times.get(changeOf(commit));
          return ms === undefined ? [] : [{ ...commit, ms }];
        });
      hopsByReplica.set(replica, {
        published: latencies(completed, withTimes(published), always),
        routed: latencies(withTimes(published), withTimes(routed), always),
        applied: latencies(withTimes(routed), commits, always),
      });
    }
    return hopsByReplica;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.log.close();
  }

  /** The batch time of each change in a topic; the first one when a change occurs twice. */
  private async batchTimes(topic: string): Promise<Map<string, number>> {
    const times = new Map<string, number>();
    for (const [partition, { next }] of await this.log.offsets(topic)) {
      const source = { topic, partition };
      for await (const records of this.log.read(source, this.startOffsets.get(partitionKey(source)) ?? 0, next))
        for (const { key, headers, timestampMs } of records) {
          const change = changeOf({ id: key?.toString() ?? "", version: Number(headers[header.version]) });
          if (!times.has(change)) times.set(change, timestampMs);
        }
    }
    return times;
  }
}

const changeOf = ({ id, version }: Pick<Commit, "id" | "version">): string => `${id} ${version}`;
