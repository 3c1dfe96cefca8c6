/**
 * Where the time goes between the source's commit and a replica's. Each hop's time is when it made its batch, which the log keeps as the
 * records' time: the relay's in the events topic, the stream's in the replica's.
 */
import { header } from "../../contracts/event.ts";
import { eventsTopic, replicaTopic } from "../../contracts/topics.ts";
import { connectLog } from "../../kafka/connect-log.ts";
import { type Log, partitionKey } from "../../kafka/log.ts";
import { createLogger } from "../../observability/logger.ts";
import { type Commit, latencies, type Window } from "./commits.ts";
import type { Figures } from "./figures.ts";
import { entity } from "./product.ts";

/** Milliseconds, in the order of the way. They are of whole milliseconds, so the shortest hops are blurred. */
export interface HopFigures {
  /** From the source's commit until the relay made a batch of it. */
  readonly published: Figures;
  /** From there until the stream made a batch for the replica of it. */
  readonly routed: Figures;
  /** From there until the replica's commit. */
  readonly applied: Figures;
}

/** Reads the log once before and once after a phase, and not while it runs. */
export class Hops implements AsyncDisposable {
  /** Where each partition of each topic ended when it began to count. */
  private readonly from = new Map<string, number>();

  private constructor(
    private readonly log: Log,
    private readonly replicas: readonly string[],
  ) {}

  /** @throws {Error} when the brokers cannot be reached. */
  static async connect(brokers: readonly string[], replicas: readonly string[]): Promise<Hops> {
    const logger = createLogger("bench", "1", "silent");
    return new Hops(await connectLog({ brokers: [...brokers], clientId: "bench", logger }), replicas);
  }

  /** From now on records count. */
  async begin(): Promise<void> {
    const topics = [eventsTopic(entity), ...this.replicas.map((name) => replicaTopic(entity, name))];
    for (const { name: topic } of topics)
      for (const [partition, { next }] of await this.log.offsets(topic))
        this.from.set(partitionKey({ topic, partition }), next);
  }

  /** @param applied what each replica committed. Only what went all the way counts, with its newest version. */
  async figures(
    source: readonly Commit[],
    applied: ReadonlyMap<string, readonly Commit[]>,
    window: Window,
  ): Promise<ReadonlyMap<string, HopFigures>> {
    const published = await this.made(eventsTopic(entity).name);
    const within = source.filter(({ ms }) => ms >= window.fromMs && ms <= window.toMs);
    const always = { fromMs: 0, toMs: Number.POSITIVE_INFINITY };
    const found = new Map<string, HopFigures>();
    for (const [replica, commits] of applied) {
      const routed = await this.made(replicaTopic(entity, replica).name);
      const counted = new Set(commits.map(changeOf));
      const whole = within.filter((commit) => counted.has(changeOf(commit)));
      const at = (times: ReadonlyMap<string, number>): Commit[] =>
        whole.flatMap((commit) => {
          const ms = times.get(changeOf(commit));
          return ms === undefined ? [] : [{ ...commit, ms }];
        });
      found.set(replica, {
        published: latencies(whole, at(published), always),
        routed: latencies(at(published), at(routed), always),
        applied: latencies(at(routed), commits, always),
      });
    }
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.log.close();
  }

  /** When each version in a topic was put into its batch; the first time, should it be there twice. */
  private async made(topic: string): Promise<Map<string, number>> {
    const times = new Map<string, number>();
    for (const [partition, { next }] of await this.log.offsets(topic)) {
      const at = { topic, partition };
      for await (const records of this.log.read(at, this.from.get(partitionKey(at)) ?? 0, next))
        for (const { key, headers, timestampMs } of records) {
          const change = changeOf({ id: key?.toString() ?? "", version: Number(headers[header.version]) });
          if (!times.has(change)) times.set(change, timestampMs);
        }
    }
    return times;
  }
}

const changeOf = ({ id, version }: Pick<Commit, "id" | "version">): string => `${id} ${version}`;
