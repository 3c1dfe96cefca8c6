/** Reads and writes the records that faults of events need, and finds out what was stored. */
import type { Log, OffsetRange, StoredRecord, TopicPartition } from "../../../kafka/log.ts";
import type { FaultContext, PlantedRecord } from "../../fault.ts";
import { produceRaw, type RawMessage } from "./raw-producer.ts";

/** A message with its partition, and what it must lead to. */
export interface Plant {
  readonly partition: number;
  readonly kind: PlantedRecord["kind"];
  readonly message: RawMessage;
}

/** A stored record as a message with the same bytes. */
export const sameBytes = ({ key, value, rawHeaders, partition }: StoredRecord): RawMessage => ({
  // Copies, because records share memory with the response that they came in.
  key: key && Buffer.from(key),
  value: value && Buffer.from(value),
  headers: Object.fromEntries(Object.entries(rawHeaders).map(([name, bytes]) => [name, Buffer.from(bytes)])),
  partition,
});

/**
 * Writes messages one by one, so that each is a batch of its own.
 *
 * @returns finds out which of them were stored, and reports those as planted. A message whose write failed may be
 * stored too. Rejects when the topic cannot be read within 30 s.
 */
export async function plant(
  { log, context }: { readonly log: Log; readonly context: FaultContext },
  topic: string,
  plants: readonly Plant[],
): Promise<() => Promise<void>> {
  const before = await log.offsets(topic);
  const written = await produceRaw(
    context.system.addresses.brokers,
    topic,
    plants.map(({ message, partition }) => ({ ...message, partition })),
    { batchSize: 1 },
  ).then(
    () => undefined,
    (error: unknown) => error,
  );
  return async () => {
    let count = 0;
    for (const { at, offset, kind, key } of await findPlanted(log, topic, before, plants)) {
      count++;
      context.planted({ ...at, offset, kind, key });
    }
    if (count === 0 && written !== undefined) throw written;
  };
}

interface FoundPlant {
  readonly at: TopicPartition;
  readonly offset: number;
  readonly kind: PlantedRecord["kind"];
  readonly key: string;
}

async function findPlanted(
  log: Log,
  topic: string,
  before: ReadonlyMap<number, OffsetRange>,
  plants: readonly Plant[],
): Promise<FoundPlant[]> {
  const after = await log.offsets(topic);
  const found: FoundPlant[] = [];
  for (const [partition, { next: from }] of before) {
    const kinds = new Map<string, PlantedRecord["kind"]>();
    for (const one of plants) if (one.partition === partition) kinds.set(fingerprint(one.message), one.kind);
    const to = after.get(partition)?.next ?? from;
    if (kinds.size === 0 || to <= from) continue;
    for await (const records of log.read({ topic, partition }, from, to))
      for (const record of records) {
        const kind = kinds.get(fingerprint(sameBytes(record)));
        if (kind) found.push({ at: { topic, partition }, offset: record.offset, kind, key: textOf(record.key) });
      }
  }
  return found;
}

const textOf = (bytes: Buffer | null): string => bytes?.toString() ?? "";

/** Equal for messages with equal bytes. */
function fingerprint({ key, value, headers = {} }: RawMessage): string {
  const hash = new Bun.CryptoHasher("sha256");
  const add = (bytes: Buffer | string | null) => {
    hash.update(bytes === null ? "null;" : `${Buffer.byteLength(bytes)};`);
    if (bytes !== null) hash.update(bytes);
  };
  add(key);
  add(value);
  for (const name of Object.keys(headers).sort()) {
    add(name);
    add(headers[name]!);
  }
  return hash.digest("hex");
}

/** Returns the last `count` records of a partition, or fewer. */
export async function lastRecords(log: Log, at: TopicPartition, count: number): Promise<StoredRecord[]> {
  const range = (await log.offsets(at.topic)).get(at.partition);
  if (!range || range.next === range.first) return [];
  const found: StoredRecord[] = [];
  for await (const records of log.read(at, Math.max(range.first, range.next - count), range.next))
    found.push(...records);
  return found;
}
