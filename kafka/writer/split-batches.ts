/** Splits the records of one write into batches of limited size. */
import type { OutgoingRecord } from "../log.ts";
import { recordSize } from "../record-batch/encode.ts";

const MAX_BYTES = 500_000;
const MAX_RECORDS = 2_000;
/** Longest encoding of a record's own length. */
const LENGTH_BYTES = 5;

/** Yields the records in order. A record above the size limit gets a batch of its own, which the broker may reject. */
export function* splitBatches(records: readonly OutgoingRecord[]): Generator<readonly OutgoingRecord[]> {
  let start = 0;
  let bytes = 0;
  for (let i = 0; i < records.length; i++) {
    const size = recordSize(records[i]!, i - start) + LENGTH_BYTES;
    if (i > start && (bytes + size > MAX_BYTES || i - start >= MAX_RECORDS)) {
      yield records.slice(start, i);
      start = i;
      bytes = 0;
    }
    bytes += size;
  }
  yield records.slice(start);
}
