/** Writes the records of one partition, and leaves out those that the broker rejects. */
import { type LogWriter, type OutgoingRecord, RecordRejectedError, type TopicPartition } from "../kafka/log.ts";

/** A record that the broker rejects. */
export interface RejectedRecord {
  /** Its index in the call's list. */
  readonly index: number;
  readonly error: RecordRejectedError;
}

/** What {@link writeAccepted} did. */
export interface AcceptedWrite {
  readonly rejected: readonly RejectedRecord[];
  /** Offset of the first stored record, and the one after the last. Undefined when the broker rejected all. */
  readonly stored: { readonly base: number; readonly next: number } | undefined;
}

/**
 * Writes records in order. When the broker rejects a batch, it is written again by halves, until each rejected record
 * is found. Every record is written once, whatever is rejected beside it.
 *
 * @throws {WriterDeadError} when it is unknown what was stored.
 */
export async function writeAccepted(
  writer: LogWriter,
  at: TopicPartition,
  records: readonly OutgoingRecord[],
): Promise<AcceptedWrite> {
  const rejected: RejectedRecord[] = [];
  let stored: AcceptedWrite["stored"];
  let size = records.length;
  for (let start = 0; start < records.length; ) {
    const part = start === 0 && size >= records.length ? records : records.slice(start, start + size);
    try {
      const offset = await writer.write(at, part);
      stored = { base: stored?.base ?? offset, next: offset + part.length };
      start += part.length;
      size *= 2;
    } catch (error) {
      if (!(error instanceof RecordRejectedError)) throw error;
      start += error.stored;
      if (error.rejected === 1) rejected.push({ index: start++, error });
      else size = Math.ceil(error.rejected / 2);
    }
  }
  return { rejected, stored };
}
