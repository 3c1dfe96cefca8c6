/** Reads what earlier owners of a partition have stored in its outputs. */
import { deadLetterHeader } from "../contracts/dead-letter.ts";
import { header } from "../contracts/event.ts";
import type { Log, OffsetRange, TopicPartition } from "../kafka/log.ts";
import { outputIdentity } from "./input-start.ts";

/** Stored outputs of one output partition. */
export interface StoredOutputs {
  /** Hashes of `outputIdentity`, by the offset of the input record. */
  readonly byOffset: ReadonlyMap<number, number>;
  /** When the oldest output that was read was written, milliseconds since 1970. Infinity: there is none. */
  readonly oldestMs: number;
}

/**
 * Reads a part of an output partition.
 *
 * @param input the input to be processed. An offset beyond it belongs to an output of a replaced input.
 * @throws {Error} as {@link Log.read}.
 */
export async function readBack(
  log: Pick<Log, "read">,
  output: TopicPartition,
  range: OffsetRange,
  input: OffsetRange & { readonly topic: string },
): Promise<StoredOutputs> {
  const byOffset = new Map<number, number>();
  let oldestMs = Number.POSITIVE_INFINITY;
  for await (const records of log.read(output, range.first, range.next))
    for (const { headers, timestampMs } of records) {
      // Replicas and operations write dead letters and marks too; only the stream's own letters count here.
      const topic = headers[deadLetterHeader.topic] ?? input.topic;
      if (topic !== input.topic || headers[deadLetterHeader.resolution] !== undefined) continue;
      oldestMs = Math.min(oldestMs, timestampMs);
      const offset = Number(headers[header.inputOffset]);
      if (offset >= input.first && offset < input.next) byOffset.set(offset, outputIdentity(headers));
    }
  return { byOffset, oldestMs };
}
