/**
 * Sends letters once more, in the order of their origins, so that each entity's stay in order.
 *
 * A letter of the stream is appended to its events topic as it was, and judged anew. One of a replica is answered by the source: it
 * sends the entity's present state again, which is what the replica needs, and which it applies whatever it has. A letter is marked
 * after it was sent. Whoever dies between the two leaves it open, and it is sent twice: then the stream finds a duplicate, or the same
 * letter twice, which counts as one.
 */
import { originalOf } from "../../contracts/dead-letter.ts";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { header } from "../../contracts/event.ts";
import { deadLetterTopic, eventsTopic } from "../../contracts/topics.ts";
import type { Log, LogWriter, OutgoingRecord, StoredRecord } from "../../kafka/log.ts";
import { partitionForKey } from "../../kafka/partitioner.ts";
import { listText, type Sql } from "../../platform/postgres/connect.ts";
import { type DeadLetterEntry, sortByOrigin } from "./read-dead-letters.ts";
import { openDeadLetterWriter, toUserError, writeResolution } from "./write-resolution.ts";

/** Letters between two looks at the clock and at Ctrl-C. */
const PAGE = 100;
/** Letters that stand so near to each other are read together. */
const NEAR = 200;

export interface ReplayResult {
  readonly replayed: number;
  /** Names of letters that cannot be sent: they do not tell whose they are. */
  readonly impossible: readonly string[];
}

export const canReplay = ({ deadLetter }: DeadLetterEntry): boolean =>
  deadLetter.replica === undefined || deadLetter.id !== undefined;

/**
 * @param ratePerSecond most letters in a second.
 * @param signal stops between two pages; what was sent is marked.
 */
export async function replay(
  deps: { readonly log: Log; readonly source: () => Sql; readonly signal: AbortSignal },
  letters: readonly DeadLetterEntry[],
  ratePerSecond: number,
  onReplayed: (replayed: number) => void,
): Promise<ReplayResult> {
  const possible = sortByOrigin(letters.filter(canReplay));
  const impossible = letters.filter((found) => !canReplay(found)).map(({ name }) => name);
  if (possible.length === 0) return { replayed: 0, impossible };
  const entities = [...new Set(possible.map(({ entity }) => entity))];
  const writer = await openDeadLetterWriter(deps.log, entities);
  const size = Math.min(PAGE, ratePerSecond);
  const start = performance.now();
  let replayed = 0;
  try {
    while (replayed < possible.length && !deps.signal.aborted) {
      const page = possible.slice(replayed, replayed + size);
      await sendPage({ ...deps, writer }, page);
      await writeResolution(writer, page, "replayed");
      replayed += page.length;
      onReplayed(replayed);
      if (replayed === possible.length) break;
      const ahead = (replayed / ratePerSecond) * 1_000 - (performance.now() - start);
      if (ahead > 0) await untilAborted(ahead, deps.signal);
    }
  } catch (error) {
    throw toUserError(error);
  } finally {
    await writer.close();
  }
  return { replayed, impossible };
}

async function sendPage(
  { log, source, writer }: { log: Log; source: () => Sql; writer: LogWriter },
  page: readonly DeadLetterEntry[],
): Promise<void> {
  for (const [entity, of] of Map.groupBy(page, (found) => found.entity)) {
    const ofStream = of.filter(({ deadLetter }) => deadLetter.replica === undefined);
    if (ofStream.length > 0) await append(log, writer, entity, ofStream);
    const ofReplicas = of.filter(({ deadLetter }) => deadLetter.replica !== undefined);
    if (ofReplicas.length > 0) await resend(source(), entity, ofReplicas);
  }
}

async function append(
  log: Log,
  writer: LogWriter,
  entity: EntityDeclaration,
  letters: readonly DeadLetterEntry[],
): Promise<void> {
  const { name: topic } = eventsTopic(entity);
  const count = await log.partitions(topic);
  const records = await recordsOf(log, entity, letters);
  const byPartition = new Map<number, OutgoingRecord[]>();
  for (const found of letters) {
    const record = records.get(`${found.partition}/${found.offset}`);
    if (!record) continue; // expired meanwhile
    const { key, value, headers } = originalOf(record);
    const partition = key ? partitionForKey(key, count) : found.deadLetter.origin.partition;
    const of = byPartition.get(partition) ?? [];
    of.push({ key, value, headers: { ...headers, [header.replayOf]: found.name } });
    byPartition.set(partition, of);
  }
  await Promise.all([...byPartition].map(([partition, of]) => writer.write({ topic, partition }, of)));
}

/** The letters' records, by where they stand. */
async function recordsOf(
  log: Log,
  entity: EntityDeclaration,
  letters: readonly DeadLetterEntry[],
): Promise<Map<string, StoredRecord>> {
  const { name: topic } = deadLetterTopic(entity);
  const records = new Map<string, StoredRecord>();
  for (const [partition, of] of Map.groupBy(letters, (found) => found.partition)) {
    const offsets = of.map(({ offset }) => offset).sort((a, b) => a - b);
    for (let i = 0; i < offsets.length; ) {
      const from = offsets[i]!;
      let to = from;
      while (i < offsets.length && offsets[i]! - to <= NEAR) to = offsets[i++]!;
      for await (const batch of log.read({ topic, partition }, from, to + 1))
        for (const record of batch) records.set(`${partition}/${record.offset}`, record);
    }
  }
  return records;
}

/** Each entity once: its present state takes the place of all its letters. */
async function resend(source: Sql, entity: EntityDeclaration, letters: readonly DeadLetterEntry[]): Promise<void> {
  const newest = new Map<string, number>();
  for (const { deadLetter } of letters)
    newest.set(deadLetter.id!, Math.max(newest.get(deadLetter.id!) ?? 1, deadLetter.version ?? 1));
  const ids = listText([...newest.keys()]);
  const versions = listText([...newest.values()]);
  await source`select lockstep.resend(${entity.name}, ${ids}::uuid[], ${versions}::bigint[])`;
}

async function untilAborted(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const aborted = Promise.withResolvers<void>();
  const stop = () => aborted.resolve();
  signal.addEventListener("abort", stop, { once: true });
  const timer = setTimeout(stop, ms);
  await aborted.promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", stop);
}
