/** What a quiet system contains: rows, records and dead letters. Checkers compare it with what clients saw. */
import type { Sql } from "postgres";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { header } from "../../contracts/event.ts";
import { deadLetterTopic, eventsTopic, replicaTopic } from "../../contracts/topics.ts";
import type { Log, StoredRecord } from "../../kafka/log.ts";
import type { Verification } from "../system.ts";
import { actualRows, type CopiedRow, copies, expectedRows } from "./copies.ts";

/** One record of a topic, as far as checkers need it. */
export interface SeenRecord {
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  /** NaN when the record has none. */
  readonly version: number;
  readonly isDelete: boolean;
  readonly isResend: boolean;
  /** Undefined for a delete, and for a value that is no JSON object. */
  readonly document: Readonly<Record<string, unknown>> | undefined;
}

/** One dead letter. */
export interface SeenDeadLetter {
  /** `products.events/3/17`: the position of the rejected record. */
  readonly origin: string;
  readonly reason: string;
  /** True when key and value equal those of the rejected record; undefined when that record could not be read. */
  readonly isOriginal: boolean | undefined;
}

/** The data of a quiet system. Records are those of this run only. */
export interface AtRest {
  /** Version by id of the source's rows, and of its deleted entities. */
  readonly source: ReadonlyMap<string, number>;
  readonly deleted: ReadonlyMap<string, number>;
  /** By replica: what it must have by the source, and what it has. */
  readonly expected: ReadonlyMap<string, readonly CopiedRow[]>;
  readonly actual: ReadonlyMap<string, readonly CopiedRow[]>;
  /** In order of partition and offset. */
  readonly events: readonly SeenRecord[];
  readonly routed: ReadonlyMap<string, readonly SeenRecord[]>;
  readonly deadLetters: readonly SeenDeadLetter[];
  /** What `lockstep verify` says. */
  readonly verify: Verification;
}

/** Where a run begins in the log. */
export interface StartOffsets {
  /** `topic/partition` → offset. */
  readonly offsets: ReadonlyMap<string, number>;
  /** Identity by topic: all records of a topic that was created again are of this run. */
  readonly ids: ReadonlyMap<string, string>;
}

/** Reads where the topics of an entity end now. @throws {Error} when a topic does not exist or the log does not respond. */
export async function readOffsets(log: Log, entity: EntityDeclaration): Promise<StartOffsets> {
  const topics = [
    eventsTopic(entity).name,
    deadLetterTopic(entity).name,
    ...Object.keys(copies).map((name) => replicaTopic(entity, name).name),
  ];
  const offsets = new Map<string, number>();
  for (const topic of topics)
    for (const [partition, { next }] of await log.offsets(topic)) offsets.set(`${topic}/${partition}`, next);
  return { offsets, ids: await log.topicIds(topics) };
}

/** Where {@link readAtRest} reads. */
export interface RestSources {
  readonly entity: EntityDeclaration;
  readonly source: Sql;
  readonly replicas: ReadonlyMap<string, Sql>;
  readonly log: Log;
}

/** Reads everything. @throws {Error} when a part does not respond. */
export async function readAtRest(
  { entity, source, replicas, log }: RestSources,
  from: StartOffsets,
): Promise<Omit<AtRest, "verify">> {
  const rows = await source<{ id: string; version: number; gone: boolean }[]>`
    select id::text, version::float8 as version, false as gone from products
    union all
    select id::text, version::float8, true from lockstep.tombstones where entity = 'product'`;
  const byId = (gone: boolean) => new Map(rows.filter((row) => row.gone === gone).map((row) => [row.id, row.version]));
  const names = [...replicas.keys()];
  const ofEach = async <T>(read: (name: string) => Promise<T>): Promise<Map<string, T>> =>
    new Map(await Promise.all(names.map(async (name) => [name, await read(name)] as const)));
  return {
    source: byId(false),
    deleted: byId(true),
    expected: await ofEach((name) => expectedRows(source, name)),
    actual: await ofEach((name) => actualRows(replicas.get(name)!, name)),
    events: await readRecords(log, eventsTopic(entity).name, from),
    routed: await ofEach((name) => readRecords(log, replicaTopic(entity, name).name, from)),
    deadLetters: await readDeadLetters(log, deadLetterTopic(entity).name, from),
  };
}

/**
 * Reads the records of a topic, including those of aborted transactions.
 *
 * @param from where to begin; default: at the first record.
 * @throws {Error} when the topic does not exist or the log does not respond.
 */
export const readRecords = async (log: Log, topic: string, from?: StartOffsets): Promise<SeenRecord[]> =>
  (await readTopic(log, topic, from)).map(seenRecord);

async function readTopic(log: Log, topic: string, from?: StartOffsets): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  const isSame = from && (await log.topicIds([topic])).get(topic) === from.ids.get(topic);
  for (const [partition, { first, next }] of await log.offsets(topic)) {
    const known = isSame ? from.offsets.get(`${topic}/${partition}`) : undefined;
    for await (const batch of log.read({ topic, partition }, Math.max(first, known ?? 0), next)) records.push(...batch);
  }
  return records;
}

function seenRecord({ partition, offset, key, value, headers }: StoredRecord): SeenRecord {
  return {
    partition,
    offset,
    key: key?.toString() ?? "",
    version: Number(headers[header.version] ?? Number.NaN),
    isDelete: value === null || headers[header.type]?.endsWith(".deleted") === true,
    isResend: headers[header.resend] !== undefined,
    document: objectOf(value),
  };
}

function objectOf(value: Buffer | null): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(value?.toString() ?? "null");
    return typeof parsed === "object" && parsed !== null ? (parsed as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

async function readDeadLetters(log: Log, deadLetters: string, from: StartOffsets): Promise<SeenDeadLetter[]> {
  const found: SeenDeadLetter[] = [];
  for (const record of await readTopic(log, deadLetters, from)) {
    const { headers } = record;
    const [topic = "", partition = "", offset = ""] = ["topic", "partition"]
      .map((name) => headers[`lockstep-${name}`])
      .concat(headers[header.inputOffset]);
    const reason = headers["lockstep-reason"];
    // A record without a reason is a mark.
    if (!reason) continue;
    const original = await readOne(log, topic, Number(partition), Number(offset));
    const isOriginal = original && same(original.key, record.key) && same(original.value, record.value);
    found.push({ origin: `${topic}/${partition}/${offset}`, reason, isOriginal });
  }
  return found;
}

const same = (a: Buffer | null, b: Buffer | null): boolean => (a && b ? a.equals(b) : a === b);

async function readOne(log: Log, topic: string, partition: number, offset: number): Promise<StoredRecord | undefined> {
  const range = (await log.offsets(topic).catch(() => new Map<number, { first: number; next: number }>())).get(
    partition,
  );
  if (!range || offset < range.first || offset >= range.next) return undefined;
  for await (const batch of log.read({ topic, partition }, offset, offset + 1)) return batch[0];
  return undefined;
}
