/**
 * How an instance becomes the only owner of an input partition: fence, restore, read back.
 *
 * 1. Fence: open a new writer for the partition's outputs. The broker then refuses every write of an earlier owner.
 * 2. Restore: read the newest versions from the versions topic, as far as the local file lacks them. After a move to
 *    another machine the file lacks all of them.
 * 3. Read back: read each output from its end at the checkpoint up to the fence. All input from the checkpoint on is
 *    decided again, but an output that is found here is not written again. Input that was replaced since the checkpoint
 *    is read from its first record (input-start.ts).
 *
 * So outputs are written once without a transaction per batch (docs/decisions/002-fence-and-read-back.md).
 */
import { deadLetterHeader } from "../contracts/dead-letter.ts";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { header } from "../contracts/event.ts";
import { deadLetterTopic, eventsTopic, replicaTopic, versionsTopic } from "../contracts/topics.ts";
import { type Log, type LogWriter, type OffsetRange, partitionKey, type TopicPartition } from "../kafka/log.ts";
import { findInputStart } from "./input-start.ts";
import { identityHash, OwnedPartition } from "./owned-partition.ts";
import { type Checkpoint, isFurther, type VersionStore } from "./version-store.ts";
import { decodeFlushed } from "./versions-topic.ts";

interface TakeOverDeps {
  readonly log: Log;
  readonly versions: VersionStore;
}

/** Topics whose records carry the offset of their input record. */
const outputTopics = (entity: EntityDeclaration): string[] => [
  ...entity.replicas.map((replica) => replicaTopic(entity, replica.name).name),
  deadLetterTopic(entity).name,
];

/** @throws {Error} when the partition does not exist or the brokers are unavailable. The writer is then closed. */
export async function takeOver(
  deps: TakeOverDeps,
  entity: EntityDeclaration,
  partition: number,
): Promise<OwnedPartition> {
  const key = partitionKey({ topic: eventsTopic(entity).name, partition });
  const topics = [...outputTopics(entity), versionsTopic(entity).name];
  const writer = await deps.log.openWriter(
    `lockstep.stream.${key}`,
    topics.map((topic) => ({ topic, partition })),
  );
  try {
    return await recover(deps, entity, partition, writer);
  } catch (error) {
    await writer.close();
    throw error;
  }
}

async function recover(
  deps: TakeOverDeps,
  entity: EntityDeclaration,
  partition: number,
  writer: LogWriter,
): Promise<OwnedPartition> {
  const { log, versions } = deps;
  const input = { topic: eventsTopic(entity).name, partition };
  const key = partitionKey(input);
  const range = (await log.offsets(input.topic)).get(partition);
  if (!range) throw new Error(`input partition ${key} does not exist; create it, then restart the stream`);
  const checkpoint = await restore(deps, entity, partition, writer);
  const { next, gap, replaced } = await findInputStart(log, input, range, checkpoint);
  // The versions stay: they belong to the source, not to the topic.
  const generation = (checkpoint?.generation ?? 0) + (replaced ? 1 : 0);
  const endOf = (topic: string) => writer.fenceOffset({ topic, partition });
  const topics = [...outputTopics(entity), versionsTopic(entity).name];
  const endOffsets = Object.fromEntries(topics.map((topic) => [topic, endOf(topic)]));
  const readFrom = Object.fromEntries(topics.map((t) => [t, Math.min(checkpoint?.ends[t] ?? 0, endOf(t))]));
  const storedOutputs = new Map<string, ReadonlyMap<number, number>>();
  for (const topic of outputTopics(entity)) {
    const output = { topic, partition };
    const stored = { first: readFrom[topic]!, next: endOf(topic) };
    storedOutputs.set(topic, await readBack(log, input.topic, output, stored, { first: next, next: range.next }));
  }
  if (replaced) versions.remember(key, new Map(), { next, ends: readFrom, generation });
  return new OwnedPartition({
    key,
    partition,
    writer,
    next,
    endOffsets,
    readFrom,
    storedOutputs,
    generation,
    replaced,
    ...(gap ? { gap } : {}),
  });
}

/** Brings the version store up to the versions topic. @returns the newest checkpoint of both. */
async function restore(
  { log, versions }: TakeOverDeps,
  entity: EntityDeclaration,
  partition: number,
  writer: LogWriter,
): Promise<Checkpoint | undefined> {
  const key = partitionKey({ topic: eventsTopic(entity).name, partition });
  const at = { topic: versionsTopic(entity).name, partition };
  const fence = writer.fenceOffset(at);
  let newest = versions.checkpoint(key);
  for await (const records of log.read(at, Math.min(newest?.ends[at.topic] ?? 0, fence), fence)) {
    const { changes, checkpoint } = decodeFlushed(records);
    const further = checkpoint && isFurther(checkpoint, newest) ? checkpoint : undefined;
    newest = further ?? newest;
    versions.restore(key, changes, further);
  }
  return newest;
}

/**
 * @param range the part of the output partition to read.
 * @param input the input to be processed. An offset beyond it belongs to an output of a replaced input.
 * @returns hashes of `outputIdentity` of the outputs in the range, by the offset of their input record.
 */
async function readBack(
  log: Log,
  inputTopic: string,
  output: TopicPartition,
  range: OffsetRange,
  input: OffsetRange,
): Promise<Map<number, number>> {
  const stored = new Map<number, number>();
  for await (const records of log.read(output, range.first, range.next))
    for (const { headers } of records) {
      // Replicas and operations write dead letters and marks too; only the stream's own letters count here.
      const topic = headers[deadLetterHeader.topic] ?? inputTopic;
      if (topic !== inputTopic || headers[deadLetterHeader.resolution] !== undefined) continue;
      const offset = Number(headers[header.inputOffset]);
      if (offset >= input.first && offset < input.next) stored.set(offset, identityHash(headers));
    }
  return stored;
}
