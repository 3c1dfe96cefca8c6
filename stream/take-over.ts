/**
 * Fence, restore, read back: how an instance becomes the one owner of an input partition.
 *
 * 1. Fence: a new writer for the partition's outputs. Nothing that an earlier owner still has under way can be stored any more.
 * 2. Restore: what is known, from the local file, then from the versions topic if that is ahead (a move to another machine).
 * 3. Read back: from where the outputs ended at the checkpoint up to the fence. The offsets found there are inputs whose
 *    output is already stored; everything from the checkpoint on is decided again, and written only where it is missing.
 *
 * So outputs are written once without a transaction per batch, and an unclear outcome is never guessed at.
 */
import { deadLetterHeader } from "../contracts/dead-letter.ts";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { header } from "../contracts/event.ts";
import { deadLetterTopic, eventsTopic, replicaTopic, versionsTopic } from "../contracts/topics.ts";
import type { Log, LogWriter, OffsetRange, TopicPartition } from "../kafka/log.ts";
import type { Checkpoint, PartitionKey, VersionStore } from "./version-store.ts";
import { decodeFlushed } from "./versions-topic.ts";

/** An input partition in the hands of its only owner. */
export interface Owned {
  readonly scope: PartitionKey;
  readonly writer: LogWriter;
  /** Offset of the next input record to decide. */
  next: number;
  /** Topic → where its partition will continue. */
  readonly ends: Record<string, number>;
  /** Topic → where reading back began. */
  readonly readFrom: Readonly<Record<string, number>>;
  /** Topic → offsets of inputs at or after `next` whose output is stored already. */
  readonly stored: ReadonlyMap<string, ReadonlySet<number>>;
  /** Largest offset in `stored`, or -1: inputs up to here were counted by an earlier owner. */
  readonly countedTo: number;
}

/**
 * The checkpoint that is true now. While inputs are ahead whose output was found stored, the outputs' ends stay where reading
 * back began: the next owner must find those outputs too.
 */
export const checkpointOf = (owned: Owned): Checkpoint => ({
  next: owned.next,
  ends: owned.next > owned.countedTo ? owned.ends : owned.readFrom,
});

export const scopeOf = (entity: EntityDeclaration, partition: number): PartitionKey =>
  `${eventsTopic(entity).name}/${partition}`;

/** Topics whose records carry the offset of their input. */
const outputTopics = (entity: EntityDeclaration): string[] => [
  ...entity.replicas.map((replica) => replicaTopic(entity, replica.name).name),
  deadLetterTopic(entity).name,
];

/** @param onGap is told when the log no longer holds the next record: input from `from` to `to` was never seen. */
export async function takeOver(
  deps: { log: Log; known: VersionStore; onGap: (from: number, to: number) => void },
  entity: EntityDeclaration,
  partition: number,
): Promise<Owned> {
  const { log, known } = deps;
  const scope = scopeOf(entity, partition);
  const versions = versionsTopic(entity).name;
  const topics = [...outputTopics(entity), versions];
  const writer = await log.openWriter(
    `lockstep.stream.${scope}`,
    topics.map((topic) => ({ topic, partition })),
  );
  try {
    const input = (await log.offsets(eventsTopic(entity).name)).get(partition);
    if (!input) throw new Error(`${scope} does not exist`);
    // An input that ends before the checkpoint was made anew: what is known belongs to the old one.
    if ((known.checkpoint(scope)?.next ?? 0) > input.next) known.forget(scope);
    const checkpoint = await restore(deps, entity, partition, writer);
    const next = startOf(checkpoint, input, deps.onGap);
    const ends = Object.fromEntries(topics.map((topic) => [topic, writer.fenceOffset({ topic, partition })]));
    const readFrom = Object.fromEntries(topics.map((t) => [t, Math.min(checkpoint?.ends[t] ?? 0, ends[t]!)]));
    const stored = new Map<string, ReadonlySet<number>>();
    for (const topic of outputTopics(entity))
      stored.set(topic, await readBack(log, entity, { topic, partition }, readFrom[topic]!, ends[topic]!, next));
    let countedTo = -1;
    for (const offsets of stored.values()) for (const offset of offsets) countedTo = Math.max(countedTo, offset);
    return { scope, writer, next, ends, readFrom, stored, countedTo };
  } catch (error) {
    await writer.close();
    throw error;
  }
}

/** Brings `known` up to what the versions topic says, and tells the newest checkpoint. */
async function restore(
  { log, known }: { log: Log; known: VersionStore },
  entity: EntityDeclaration,
  partition: number,
  writer: LogWriter,
): Promise<Checkpoint | undefined> {
  const scope = scopeOf(entity, partition);
  const topic = versionsTopic(entity).name;
  const fence = writer.fenceOffset({ topic, partition });
  let newest = known.checkpoint(scope);
  for await (const records of log.read({ topic, partition }, Math.min(newest?.ends[topic] ?? 0, fence), fence)) {
    const { changes, checkpoint } = decodeFlushed(records);
    const ahead = checkpoint !== undefined && checkpoint.next > (newest?.next ?? 0);
    if (ahead) newest = checkpoint;
    known.restore(scope, changes, ahead ? checkpoint : undefined);
  }
  return newest;
}

function startOf(
  checkpoint: Checkpoint | undefined,
  input: OffsetRange,
  onGap: (from: number, to: number) => void,
): number {
  if (!checkpoint) return input.first;
  if (checkpoint.next < input.first) onGap(checkpoint.next, input.first);
  return Math.max(checkpoint.next, input.first);
}

async function readBack(
  log: Log,
  entity: EntityDeclaration,
  at: TopicPartition,
  from: number,
  to: number,
  next: number,
): Promise<Set<number>> {
  const offsets = new Set<number>();
  for await (const records of log.read(at, from, to))
    for (const { headers } of records) {
      // Others write dead letters too, with offsets of other topics, and marks of what was done about ours.
      const topic = headers[deadLetterHeader.topic] ?? eventsTopic(entity).name;
      if (topic !== eventsTopic(entity).name || headers[deadLetterHeader.resolution] !== undefined) continue;
      const offset = Number(headers[header.inputOffset]);
      if (offset >= next) offsets.add(offset);
    }
  return offsets;
}
