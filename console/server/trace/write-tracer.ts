/**
 * Follows single writes through the log: before one is made, the ends of its topics are remembered, and afterwards what came since is
 * read until its records are found. What replicas applied comes with their receipts. The times are those of the records and receipts,
 * so that looking late changes no figure.
 */
import type { EntityDeclaration } from "../../../contracts/entity/declaration.ts";
import type { Receipt } from "../../../contracts/receipt.ts";
import { deadLetterTopic, eventsTopic, replicaTopic } from "../../../contracts/topics.ts";
import type { Log, StoredRecord } from "../../../kafka/log.ts";
import { partitionForKey } from "../../../kafka/partitioner.ts";
import type { Logger } from "../../../observability/logger.ts";
import {
  appliedHops,
  deadHop,
  type Hop,
  hop,
  hopOf,
  isThrough,
  isTold,
  publishedHop,
  routedHop,
  type TracedWrite,
} from "./hops.ts";
import { RecentReceipts } from "./recent-receipts.ts";

const LOOK_MS = 15;
/** From then on it waits for somebody: a paused replica, a person who settles a letter. */
const SOON_MS = 3_000;
const LATER_MS = 400;
/** A write is followed for so long, and no more of them than so many. */
const GIVE_UP_MS = 600_000;
const MOST = 20;
/** Records of a partition that are looked through at a time. */
const STEP = 2_000;

/** Where the topics of an entity ended. */
export type Ends = ReadonlyMap<string, ReadonlyMap<number, number>>;

interface Using {
  readonly log: () => Promise<Log>;
  readonly logger: Logger;
  /** Told when something is new about a write. */
  readonly onHops: (write: TracedWrite, hops: readonly Hop[]) => void;
}

interface Entry {
  readonly write: TracedWrite;
  /** The first of each replica that tells of the write. */
  readonly receipts: Map<string, Receipt>;
}

export class WriteTrace {
  private readonly writes: Entry[] = [];
  private readonly receipts = new RecentReceipts();
  private number = 0;
  private closed = false;

  constructor(private readonly deps: Using) {}

  /** Newest last. */
  recent(): readonly TracedWrite[] {
    return this.writes.map(({ write }) => write);
  }

  /** To be called before the write. @throws {Error} when the log does not answer. */
  async begin(entity: EntityDeclaration): Promise<Ends> {
    const log = await this.deps.log();
    const topics = [
      eventsTopic(entity),
      deadLetterTopic(entity),
      ...entity.replicas.map((r) => replicaTopic(entity, r.name)),
    ];
    const ends = topics.map(async ({ name }) => {
      const bounds = await log.offsets(name);
      return [name, new Map([...bounds].map(([partition, { next }]) => [partition, next]))] as const;
    });
    return new Map(await Promise.all(ends));
  }

  /** Begins to follow what was written after `ends`. @param first hops that are known already. */
  start(
    entity: EntityDeclaration,
    ends: Ends,
    about: Omit<TracedWrite, "number" | "hops">,
    first: readonly Hop[],
  ): TracedWrite {
    const write: TracedWrite = { ...about, number: ++this.number, hops: [] };
    const entry: Entry = { write, receipts: new Map() };
    this.writes.push(entry);
    if (this.writes.length > MOST) this.writes.shift();
    this.found(write, first);
    for (const receipt of this.receipts.all()) this.hearOf(entry, receipt);
    void this.look(write, entity, ends);
    return write;
  }

  heard(receipt: Receipt): void {
    this.receipts.add(receipt);
    for (const entry of this.writes) this.hearOf(entry, receipt);
  }

  close(): void {
    this.closed = true;
  }

  private hearOf({ write, receipts }: Entry, receipt: Receipt): void {
    if (receipts.has(receipt.replica) || !isTold(write, receipt)) return;
    receipts.set(receipt.replica, receipt);
    this.found(write, appliedHops(write, receipt));
  }

  private found(write: TracedWrite, hops: readonly Hop[]): void {
    if (hops.length === 0) return;
    write.hops.push(...hops);
    this.deps.onHops(write, hops);
    // A receipt may come before its record was found.
    const early = hops.filter(({ kind }) => kind === "routed").map(({ replica }) => replica);
    const receipts = this.writes.find((one) => one.write === write)?.receipts;
    for (const replica of early) {
      const receipt = receipts?.get(replica ?? "");
      if (receipt) this.found(write, appliedHops(write, receipt));
    }
  }

  private async look(write: TracedWrite, entity: EntityDeclaration, ends: Ends): Promise<void> {
    const places = placesOf(write, entity, ends);
    const replicas = entity.replicas.map(({ name }) => name);
    for (;;) {
      const ageMs = Date.now() - write.startedMs;
      const dropped = !this.writes.some((one) => one.write === write);
      if (this.closed || dropped || ageMs > GIVE_UP_MS || isThrough(write, replicas)) return;
      try {
        // One after the other, in the order of the way: each hop's milliseconds count from the one before.
        for (const place of places) {
          await this.lookAt(write, place);
          if (!hopOf(write, "published")) break;
        }
      } catch (error) {
        this.deps.logger.debug({ err: error }, "a write cannot be followed for a moment");
      }
      await Bun.sleep(ageMs < SOON_MS ? LOOK_MS : LATER_MS);
    }
  }

  private async lookAt(write: TracedWrite, place: Place): Promise<void> {
    if (place.done(write)) return;
    const log = await this.deps.log();
    const { next } = (await log.offsets(place.topic)).get(place.partition)!;
    const to = Math.min(next, place.from + STEP);
    if (to <= place.from) return;
    for await (const records of log.read(place, place.from, to))
      for (const record of records) this.found(write, place.hops(record));
    place.from = to;
  }
}

interface Place {
  readonly topic: string;
  readonly partition: number;
  from: number;
  readonly hops: (record: StoredRecord) => Hop[];
  readonly done: (write: TracedWrite) => boolean;
}

function placesOf(write: TracedWrite, entity: EntityDeclaration, ends: Ends): Place[] {
  const place = (topic: string, hops: Place["hops"], done: Place["done"]): Place => {
    const of = ends.get(topic)!;
    const partition = write.id === null ? 0 : partitionForKey(write.id, of.size);
    return { topic, partition, from: of.get(partition) ?? 0, hops, done };
  };
  const has = (kind: Hop["kind"], replica: string | null) => (of: TracedWrite) =>
    of.hops.some((one) => one.kind === kind && one.replica === replica);
  const letters = place(deadLetterTopic(entity).name, (record) => deadHop(write, record), has("settled", null));
  if (write.operation === "poison") return [letters];
  return [
    place(eventsTopic(entity).name, (record) => publishedHop(write, record), has("published", null)),
    ...entity.replicas.map(({ name }) =>
      place(replicaTopic(entity, name).name, (record) => routedHop(write, name, record), has("routed", name)),
    ),
    letters,
  ];
}

/** The first hop of a write that the gateway took. */
export const answeredHop = (startedMs: number, answeredMs: number): Hop =>
  hop("answered", null, answeredMs, startedMs, null, null);
