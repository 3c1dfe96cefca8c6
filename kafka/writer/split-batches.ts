/** Splits what is too much for one batch. */
import type { OutgoingRecord } from "../log.ts";
import { recordSize } from "../record-batch/encode.ts";

/** Most bytes and records of one batch; a write may be larger and is split. */
export const BATCH_BYTES = 500_000;
const BATCH_RECORDS = 2_000;

/** The records in order, none twice. One that is too large by itself stands alone; the broker decides on it. */
export function* splitBatches(records: readonly OutgoingRecord[]): Generator<readonly OutgoingRecord[]> {
  let start = 0;
  let bytes = 0;
  for (let i = 0; i < records.length; i++) {
    const size = recordSize(records[i]!, i - start) + 5;
    if (i > start && (bytes + size > BATCH_BYTES || i - start >= BATCH_RECORDS)) {
      yield records.slice(start, i);
      start = i;
      bytes = 0;
    }
    bytes += size;
  }
  yield records.slice(start);
}
