/** Reads what earlier owners of a partition have stored in its outputs. */
import { deadLetterHeader } from "../contracts/dead-letter.ts";
import type { Version } from "../contracts/entity/document.ts";
import { header } from "../contracts/event.ts";
import type { Log, OffsetRange, TopicPartition } from "../kafka/log.ts";
import { outputIdentity } from "./input-start.ts";

/** Limits the memory when a whole topic is read back. */
const MAX_KEYS = 100_000;

/** Stored outputs of one output partition. */
export interface StoredOutputs {
  /** Hashes of `outputIdentity`, by the offset of the input record. */
  readonly byOffset: ReadonlyMap<number, number>;
  /**
   * Newest stored version of each entity, by key; none of dead letters. With more than {@link MAX_KEYS} entities, some
   * are missing.
   */
  readonly newest: ReadonlyMap<string, Version>;
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
  const newest = new Map<string, Version>();
  let oldestMs = Number.POSITIVE_INFINITY;
  for await (const records of log.read(output, range.first, range.next))
    for (const { key, headers, timestampMs } of records) {
      // Replicas and operations write dead letters and marks too; only the stream's own letters count here.
      const topic = headers[deadLetterHeader.topic] ?? input.topic;
      if (topic !== input.topic || headers[deadLetterHeader.resolution] !== undefined) continue;
      oldestMs = Math.min(oldestMs, timestampMs);
      const offset = Number(headers[header.inputOffset]);
      if (offset >= input.first && offset < input.next) byOffset.set(offset, outputIdentity(headers));
      if (headers[deadLetterHeader.topic] !== undefined) continue;
      const id = String(key);
      const version = Number(headers[header.version]);
      const known = newest.get(id);
      if (known === undefined ? newest.size < MAX_KEYS : version > known) newest.set(id, version);
    }
  return { byOffset, newest, oldestMs };
}
