/** Where the owner of an input partition starts to read, and whether the partition is still the one that it knew. */
import { deadLetterHeader } from "../contracts/dead-letter.ts";
import { header } from "../contracts/event.ts";
import type { Log, OffsetRange, StoredRecord, TopicPartition } from "../kafka/log.ts";
import type { Checkpoint } from "./checkpoint.ts";

/** Offsets of input that will never be read: from `from` (inclusive) to `to` (exclusive). */
export interface InputGap {
  readonly from: number;
  readonly to: number;
}

/** Where to start. */
export interface InputStart {
  /** Offset of the first input record to process. */
  readonly next: number;
  /** Input that the log deleted before the stream processed it. */
  readonly gap?: InputGap;
  /**
   * True when other records have taken the offsets that the stream had processed. The topic was deleted and created
   * again, its broker lost its disk or was put back from an older backup, or the cluster is another one.
   */
  readonly replaced: boolean;
}

/** Identifies the record of an input partition at one offset: its time and its change. */
export const inputIdentity = ({ timestampMs, headers }: Pick<StoredRecord, "timestampMs" | "headers">): string =>
  `${timestampMs} ${headers[header.id] ?? ""}`;

/**
 * Identifies the input record of an output, beside the input's offset: a dead letter keeps the record's time, a routed
 * event the id of its change. Without it, an output of a replaced input would pass for that of a new record.
 *
 * @returns a hash of 53 bits, so that a whole topic that is read back fits into memory.
 */
export function outputIdentity(headers: Readonly<Record<string, string | Buffer>>): number {
  const identity = String(headers[deadLetterHeader.timestamp] ?? headers[header.id] ?? "");
  return Number(BigInt.asUintN(53, BigInt(Bun.hash(identity))));
}

/**
 * Compares the last record that the stream processed with the one that the log has now.
 *
 * @throws {Error} when the brokers are unavailable.
 */
export async function findInputStart(
  log: Pick<Log, "read">,
  input: TopicPartition,
  range: OffsetRange,
  checkpoint: Checkpoint | undefined,
): Promise<InputStart> {
  if (!checkpoint) return { next: range.first, replaced: false };
  const { next } = checkpoint;
  if (next > range.next || !(await hasLast(log, input, range, checkpoint)))
    return { next: range.first, replaced: true };
  if (next < range.first) return { next: range.first, gap: { from: next, to: range.first }, replaced: false };
  return { next, replaced: false };
}

/** True also when it cannot be known: retention has deleted the record, or an earlier release wrote the checkpoint. */
async function hasLast(
  log: Pick<Log, "read">,
  input: TopicPartition,
  { first }: OffsetRange,
  { last }: Checkpoint,
): Promise<boolean> {
  if (!last || last.offset < first) return true;
  for await (const records of log.read(input, last.offset, last.offset + 1))
    for (const record of records) if (inputIdentity(record) === last.identity) return true;
  return false;
}
