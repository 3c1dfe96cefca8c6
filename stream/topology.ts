/** The stream's whole step on one screen: validate → dedupe → route → write → remember. */
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import type { EntityId, Version } from "../contracts/entity/document.ts";
import { eventsTopic, replicaTopic, streamGroup, versionsTopic } from "../contracts/topics.ts";
import type { Batch, Log, OutgoingRecord, StoredRecord, TopicPartition } from "../kafka/log.ts";
import { BatchSpans } from "../observability/batch-spans.ts";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import { SpanKind } from "../observability/trace.ts";
import { ConsumerLags } from "../pipeline/consumer-lags.ts";
import { type Decision, decide } from "./decide.ts";
import { checkpointOf, type Owned, scopeOf, takeOver } from "./take-over.ts";
import { validatorOf } from "./validate.ts";
import type { VersionStore } from "./version-store.ts";
import { encodeFlush } from "./versions-topic.ts";

/** Records decided at a time: more would hold up the process' other partitions. A batch of the relay's, some 250, is not divided. */
const STEP = 400;
/** How often changes are flushed to the versions topic: after a move to another machine so much is decided again. */
const FLUSH_MS = 1_000;
/** A producer id is forgotten by brokers that do not hear of it for a day; its fence must be renewed before. */
const RENEW_MS = 12 * 60 * 60 * 1_000;

const routeSpans = ({ topic, partition }: TopicPartition): BatchSpans =>
  new BatchSpans(`route ${topic}`, {
    kind: SpanKind.CONSUMER,
    attributes: {
      "messaging.system": "kafka",
      "messaging.operation.name": "route",
      "messaging.operation.type": "process",
      "messaging.destination.name": topic,
      "messaging.destination.partition.id": String(partition),
      "messaging.consumer.group.name": streamGroup,
    },
  });

/** One input partition: owned from the first batch until it is revoked or a write fails. */
class Partition {
  private owned: Owned | undefined;
  private ownedAt = 0;
  private taking: Promise<Owned> | undefined;
  private flushTimer: Timer | undefined;
  private readonly validate;
  private readonly topics: ReadonlyMap<string, string>;

  constructor(
    private readonly deps: StreamParts,
    private readonly entity: EntityDeclaration,
    private readonly at: TopicPartition,
    private readonly lags: ConsumerLags,
    partitions: number,
  ) {
    this.validate = validatorOf(entity, partitions);
    this.topics = new Map(entity.replicas.map(({ name }) => [name, replicaTopic(entity, name).name]));
  }

  /** Processes a batch. @throws when an output could not be stored for sure; the batch must come again. */
  async process(batch: Batch): Promise<void> {
    const first = batch.records[0];
    if (!first) return;
    if (this.owned && Date.now() - this.ownedAt > RENEW_MS) await this.release();
    try {
      const owned = await this.own();
      // The group's committed offset is a hint: it may lie beyond what is surely done.
      if (owned.next < first.offset)
        for await (const records of this.deps.log.read(this.at, owned.next, first.offset))
          await this.steps(owned, records);
      await this.steps(owned, batch.records);
      this.report(batch, owned);
    } catch (error) {
      await this.release();
      throw error;
    }
  }

  /** Takes the partition over unless it is ours already. */
  own(): Promise<Owned> {
    if (this.owned?.writer.isOpen) return Promise.resolve(this.owned);
    this.taking ??= this.take().finally(() => {
      this.taking = undefined;
    });
    return this.taking;
  }

  private async take(): Promise<Owned> {
    const { logger, metrics } = this.deps;
    await this.letGo();
    this.owned = await takeOver(
      {
        ...this.deps,
        onGap: (from, to) => {
          metrics.inputGaps.inc({ group: streamGroup });
          logger.error({ ...this.at, from, to }, "the log no longer holds these events: verify the replicas");
        },
      },
      this.entity,
      this.at.partition,
    );
    this.ownedAt = Date.now();
    metrics.streamTakeovers.inc();
    logger.info({ ...this.at, next: this.owned.next }, "partition taken over");
    return this.owned;
  }

  private async steps(owned: Owned, records: readonly StoredRecord[]): Promise<void> {
    const ahead = records.filter((record) => record.offset >= owned.next);
    for (let i = 0; i < ahead.length; i += STEP) await this.step(owned, ahead.slice(i, i + STEP));
  }

  private async step(owned: Owned, records: readonly StoredRecord[]): Promise<void> {
    const changes = new Map<EntityId, Version>();
    const keys = records.map(({ key }) => key?.toString("latin1") ?? "");
    const before = this.deps.known.newest(owned.scope, keys);
    const known = (id: EntityId) => changes.get(id) ?? before.get(id);
    const spans = routeSpans(this.at);
    const { entity, topics, validate } = this;
    const judge = { entity, topics, validate, known, spans };
    const decisions = records.map((record) => {
      const decision = decide(judge, record);
      if (decision.change) changes.set(decision.change.id, decision.change.version);
      return decision;
    });
    await this.write(owned, decisions, spans);
    owned.next = records.at(-1)!.offset + 1;
    // Only now: a state that is ahead of the outputs would take a repeated event for a duplicate and lose it.
    this.deps.known.remember(owned.scope, changes, checkpointOf(owned));
    this.count(owned, decisions);
    this.flushTimer ??= setTimeout(() => void this.flush(owned), FLUSH_MS);
  }

  /** Writes what is not stored yet, each topic's records in the order of their input, the topics side by side. */
  private async write(owned: Owned, decisions: readonly Decision[], spans: BatchSpans): Promise<void> {
    const perTopic = new Map<string, OutgoingRecord[]>();
    for (const { offset, outputs } of decisions)
      for (const { topic, record } of outputs) {
        if (offset <= owned.countedTo && owned.stored.get(topic)?.has(offset)) continue;
        const records = perTopic.get(topic);
        if (records) records.push(record);
        else perTopic.set(topic, [record]);
      }
    const written = await Promise.allSettled(
      [...perTopic].map(async ([topic, records]) => {
        const base = await owned.writer.write({ topic, partition: this.at.partition }, records);
        owned.ends[topic] = base + records.length;
      }),
    );
    const failed = written.find((result) => result.status === "rejected");
    spans.end(failed?.reason);
    if (failed) throw failed.reason;
  }

  private count(owned: Owned, decisions: readonly Decision[]): void {
    const counts = new Map<string, number>();
    for (const { offset, outcome, rejection, about } of decisions) {
      if (offset <= owned.countedTo) continue;
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      if (rejection) {
        const { reason, detail } = rejection;
        this.deps.logger.warn({ ...this.at, offset, ...about, reason, detail }, "event sent to the dead letters");
      }
    }
    if (this.entity.internal) return;
    for (const [outcome, count] of counts) this.deps.metrics.streamEvents.inc({ outcome }, count);
  }

  /** Puts what the versions topic lacks there. Beside the flow: a failure kills the writer, and so shows at the next step. */
  async flush(owned = this.owned): Promise<void> {
    clearTimeout(this.flushTimer);
    this.flushTimer = undefined;
    if (!owned?.writer.isOpen) return;
    const { known, logger } = this.deps;
    const topic = versionsTopic(this.entity).name;
    try {
      // Taken in one go: the checkpoint may count only with every change before it. And the remembered one, not `owned`:
      // a step under way may have moved the end of one output and not yet of another.
      const unflushed = known.unflushed(owned.scope);
      const checkpoint = known.checkpoint(owned.scope);
      if (unflushed.changes.size === 0 || !checkpoint) return;
      const records = encodeFlush(unflushed.changes, checkpoint);
      const base = await owned.writer.write({ topic, partition: this.at.partition }, records);
      owned.ends[topic] = base + records.length;
      known.markFlushed(owned.scope, unflushed);
    } catch (error) {
      if (owned === this.owned)
        logger.warn({ err: error, ...this.at }, "versions not flushed; they will be after a take-over");
    } finally {
      this.flushTimer = undefined;
    }
  }

  private report(batch: Batch, owned: Owned): void {
    if (this.entity.internal) return;
    this.lags.set(this.at, Math.max(0, batch.highWatermark - owned.next));
  }

  /** Gives the partition up; whoever takes it over fences this writer. */
  async release(): Promise<void> {
    await this.taking?.catch(() => {});
    await this.letGo();
  }

  private async letGo(): Promise<void> {
    clearTimeout(this.flushTimer);
    this.flushTimer = undefined;
    const { owned } = this;
    this.owned = undefined;
    await owned?.writer.close();
  }
}

export interface StreamParts {
  readonly log: Log;
  readonly known: VersionStore;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** All partitions that this instance has. */
export class Topology {
  private readonly partitions = new Map<string, Promise<Partition>>();
  private readonly lags: ConsumerLags;

  constructor(
    private readonly deps: StreamParts,
    private readonly entities: readonly EntityDeclaration[],
  ) {
    this.lags = new ConsumerLags(deps.metrics.consumerLag, streamGroup);
  }

  async process(batch: Batch): Promise<void> {
    await (await this.partition(batch)).process(batch);
  }

  /** These are ours now: being their owner before the first event comes spares that event the wait. */
  adopt(assigned: readonly TopicPartition[]): void {
    for (const at of assigned)
      this.partition(at)
        .then((partition) => partition.own())
        .catch((error) => this.deps.logger.warn({ err: error, ...at }, "not taken over yet; the first event will"));
  }

  /** Another instance has these now: what is left here must not linger. */
  revoke(revoked: readonly TopicPartition[]): void {
    for (const at of revoked) {
      const key = `${at.topic}/${at.partition}`;
      const partition = this.partitions.get(key);
      this.partitions.delete(key);
      void partition?.then((p) => p.release());
      this.lags.forget(at);
    }
  }

  /** Puts what this instance remembers into the versions topic now. */
  async flush(): Promise<void> {
    for (const partition of this.partitions.values()) await (await partition).flush();
  }

  /** Leaves as little as possible to be decided again by the next owner. */
  async close(): Promise<void> {
    await this.flush();
    const all = [...this.partitions.values()];
    this.partitions.clear();
    for (const partition of all) await (await partition).release();
  }

  private partition({ topic, partition }: TopicPartition): Promise<Partition> {
    const entity = this.entities.find((e) => eventsTopic(e).name === topic);
    if (!entity) throw new Error(`no entity has the topic ${topic}`);
    const key = scopeOf(entity, partition);
    let found = this.partitions.get(key);
    if (!found) {
      found = this.deps.log
        .partitions(topic)
        .then((count) => new Partition(this.deps, entity, { topic, partition }, this.lags, count));
      found.catch(() => this.partitions.delete(key));
      this.partitions.set(key, found);
    }
    return found;
  }
}
