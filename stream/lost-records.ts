/** What topics of the stream have lost, seen by their ends and their first offsets. Pure. */
import type { OffsetRange } from "../kafka/log.ts";
import type { Checkpoint, Loss } from "./checkpoint.ts";

/** An output partition as a takeover finds it. */
export interface OutputState {
  readonly topic: string;
  /** Offset of its oldest record. */
  readonly first: number;
  /** Offset at which it ends. */
  readonly end: number;
  /** True for a compacted topic: its oldest records go only if someone deletes them. */
  readonly compacted: boolean;
}

/** Outputs that are older than this are those of a stream that has had a checkpoint, in milliseconds. */
const NEW_STREAM_MS = 60_000;

/**
 * Compares the outputs of a partition with the newest checkpoint of the local file and the versions topic.
 *
 * @param state.oldestMs when the oldest stored output was written, milliseconds since 1970.
 */
export function findLosses(
  state: {
    readonly outputs: readonly OutputState[];
    readonly checkpoint: Checkpoint | undefined;
    readonly oldestMs: number;
    readonly versionsTopic: string;
  },
  nowMs: number,
): Record<string, Loss> {
  const { outputs, checkpoint, oldestMs, versionsTopic } = state;
  const found: Record<string, Loss> = {};
  for (const output of outputs) {
    const loss = findLoss(output, checkpoint);
    if (loss) found[output.topic] = { ...loss, atMs: nowMs };
    else if (output.topic === versionsTopic && !checkpoint && nowMs - oldestMs > NEW_STREAM_MS)
      found[output.topic] = { from: 0, to: output.end, atMs: nowMs };
  }
  return found;
}

/**
 * The stream is the only writer of its outputs, so an output never ends before its end at the checkpoint. If it does,
 * it was created again, or put back from an older backup.
 */
function findLoss(
  { topic, first, end, compacted }: OutputState,
  checkpoint: Checkpoint | undefined,
): Omit<Loss, "atMs"> | undefined {
  const expectedEnd = checkpoint?.ends[topic] ?? 0;
  if (end < expectedEnd) return { from: end, to: expectedEnd };
  const knownFirst = checkpoint?.firsts?.[topic] ?? 0;
  return compacted && first > knownFirst ? { from: knownFirst, to: first } : undefined;
}

/** Whether an output has lost records since its owner took the partition over. */
export const hasLost = (
  { first, next }: OffsetRange,
  known: { readonly end: number; readonly first: number | undefined },
): boolean => next < known.end || (known.first !== undefined && first > known.first);

/** Says what was lost, for people. @returns undefined when nothing was. */
export function describeLosses(losses: readonly (readonly [topic: string, loss: Loss])[]): string | undefined {
  const topics = Map.groupBy(losses, ([topic]) => topic);
  const texts = [...topics].map(([topic, found]) => {
    const records = found.reduce((sum, [, { from, to }]) => sum + to - from, 0);
    const since = new Date(Math.min(...found.map(([, { atMs }]) => atMs))).toISOString();
    return `${topic} lost ${records} offsets in ${found.length} partitions, first seen at ${since}`;
  });
  return texts.length > 0 ? texts.join("; ") : undefined;
}
