/**
 * How an instance becomes the only owner of an input partition: fence, restore, read back.
 *
 * 1. Fence: open a new writer for the partition's outputs. The broker then refuses every write of an earlier owner.
 * 2. Restore: read the newest versions from the versions topic, as far as the local file lacks them. After a move to
 *    another machine the file lacks all of them.
 * 3. Read back: read each output from its end at the checkpoint up to the fence. All input from the checkpoint on is
 *    decided again, but an output that is found here is not written again. Input that was replaced since the checkpoint
 *    is read from its first record (input-start.ts).
 * 4. Report what the topics have lost (lost-records.ts), and write the versions again if their topic has lost some.
 *
 * So outputs are written once without a transaction per batch (docs/decisions/002-fence-and-read-back.md).
 */
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import type { EntityId } from "../contracts/entity/document.ts";
import type { KnownVersion } from "../contracts/known-version.ts";
import { qualify } from "../contracts/project.ts";
import { deadLetterTopic, eventsTopic, replicaTopic, versionsTopic } from "../contracts/topics.ts";
import { type Log, type LogWriter, partitionKey } from "../kafka/log.ts";
import { type Checkpoint, isFurther, type PartitionKey } from "./checkpoint.ts";
import { findInputStart } from "./input-start.ts";
import { findLosses, type OutputState } from "./lost-records.ts";
import { OwnedPartition } from "./owned-partition.ts";
import { readBack, type StoredOutputs } from "./read-back.ts";
import type { VersionStore } from "./version-store.ts";
import { decodeFlushed, encodeFlush } from "./versions-topic.ts";

interface TakeOverDeps {
  readonly log: Log;
  readonly versions: VersionStore;
}

/** The partition, its writer, and its outputs after the fence. */
interface Fenced {
  readonly entity: EntityDeclaration;
  readonly partition: number;
  readonly key: PartitionKey;
  readonly writer: LogWriter;
  /** Replica topics, dead letters and the versions topic. */
  readonly outputs: readonly OutputState[];
}

/** Topics whose records carry the offset of their input record. */
const routedTopics = (entity: EntityDeclaration): string[] => [
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
  const topics = [...routedTopics(entity), versionsTopic(entity).name];
  const writer = await deps.log.openWriter(
    qualify(entity, `lockstep.stream.${key}`),
    topics.map((topic) => ({ topic, partition })),
  );
  try {
    const outputs = await Promise.all(
      topics.map(async (topic): Promise<OutputState> => {
        const first = (await deps.log.offsets(topic)).get(partition)?.first ?? 0;
        const end = writer.fenceOffset({ topic, partition });
        return { topic, first, end, compacted: topic !== deadLetterTopic(entity).name };
      }),
    );
    return await recover(deps, { entity, partition, key, writer, outputs });
  } catch (error) {
    await writer.close();
    throw error;
  }
}

async function recover(deps: TakeOverDeps, fenced: Fenced): Promise<OwnedPartition> {
  const { log, versions } = deps;
  const { entity, partition, key, writer, outputs } = fenced;
  const input = { topic: eventsTopic(entity).name, partition };
  const range = (await log.offsets(input.topic)).get(partition);
  if (!range) throw new Error(`input partition ${key} does not exist; create it, then restart the stream`);
  const checkpoint = await restore(deps, fenced);
  const { next, gap, replaced } = await findInputStart(log, input, range, checkpoint);
  const readFrom = Object.fromEntries(outputs.map((output) => [output.topic, readFromOf(output, checkpoint)]));
  const stored = new Map<string, StoredOutputs>();
  for (const { topic, end } of outputs) {
    if (topic === versionsTopic(entity).name) continue;
    const unprocessed = { topic: input.topic, first: next, next: range.next };
    stored.set(topic, await readBack(log, { topic, partition }, { first: readFrom[topic]!, next: end }, unprocessed));
  }
  const oldestMs = Math.min(...stored.values().map((outputsOf) => outputsOf.oldestMs));
  const found = findLosses({ outputs, checkpoint, oldestMs, versionsTopic: versionsTopic(entity).name }, Date.now());
  if (gap) found[input.topic] = { ...gap, atMs: Date.now() };
  const constant = {
    // The versions stay: they belong to the source, not to the topic.
    generation: (checkpoint?.generation ?? 0) + (replaced ? 1 : 0),
    firsts: Object.fromEntries(outputs.filter(({ compacted }) => compacted).map(({ topic, first }) => [topic, first])),
    lost: { ...checkpoint?.lost, ...found },
  };
  const endOffsets = Object.fromEntries(outputs.map(({ topic, end }) => [topic, end]));
  const progress = { ...(replaced ? {} : checkpoint), ...constant, next, ends: readFrom };
  if (checkpoint && found[versionsTopic(entity).name]) {
    // The local file has all of them.
    delete constant.lost[versionsTopic(entity).name];
    endOffsets[versionsTopic(entity).name] = await rewriteVersions(deps, fenced, progress);
  } else if (replaced || Object.keys(found).length > 0) {
    versions.remember(key, new Map(), progress);
    // The next takeover may not find it again: an output that has lost records grows past its old end.
    versions.save();
  }
  return new OwnedPartition({
    ...{ key, partition, writer, next, endOffsets, readFrom, stored, constant, replaced, found },
    ...(gap ? { gap } : {}),
  });
}

/** Where to read an output from: its end at the checkpoint, or its start if it has lost that. */
const readFromOf = ({ topic, first, end }: OutputState, checkpoint: Checkpoint | undefined): number => {
  const known = checkpoint?.ends[topic] ?? 0;
  return known > end ? first : known;
};

/** Brings the version store up to the versions topic. @returns the newest checkpoint of both. */
async function restore(
  { log, versions }: TakeOverDeps,
  { entity, partition, key, outputs }: Fenced,
): Promise<Checkpoint | undefined> {
  const state = outputs.find(({ topic }) => topic === versionsTopic(entity).name)!;
  let newest = versions.checkpoint(key);
  for await (const records of log.read({ topic: state.topic, partition }, readFromOf(state, newest), state.end)) {
    const { changes, checkpoint } = decodeFlushed(records);
    const further = checkpoint && isFurther(checkpoint, newest) ? checkpoint : undefined;
    newest = further ?? newest;
    versions.restore(key, changes, further);
  }
  return newest;
}

/**
 * Writes everything that the local file knows to the versions topic. A crash before the end repeats it.
 *
 * @returns the end of the topic.
 */
async function rewriteVersions(
  { versions }: TakeOverDeps,
  { entity, partition, key, writer, outputs }: Fenced,
  progress: Checkpoint,
): Promise<number> {
  const { name: topic } = versionsTopic(entity);
  const save = (end: number) => {
    const checkpoint = { ...progress, ends: { ...progress.ends, [topic]: end } };
    versions.remember(key, new Map(), checkpoint);
    versions.save();
    return checkpoint;
  };
  // No topic ends there: until the rewrite is done, each takeover finds the loss.
  save(Number.MAX_SAFE_INTEGER);
  let end = outputs.find((output) => output.topic === topic)!.end;
  let last: ReadonlyMap<EntityId, KnownVersion> = new Map();
  const write = async (checkpoint?: Checkpoint) => {
    if (last.size === 0) return;
    const records = encodeFlush(last, checkpoint);
    end = (await writer.write({ topic, partition }, records)) + records.length;
  };
  for (const page of versions.pages(key)) {
    await write();
    last = page;
  }
  await write(progress);
  save(end);
  return end;
}
