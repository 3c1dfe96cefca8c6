/** What is known, as records of the compacted versions topic: one per entity, the last of a flush carries the checkpoint. */
import type { EntityId } from "../contracts/entity.ts";
import type { OutgoingRecord, StoredRecord } from "../platform/log/log.ts";
import type { Checkpoint, Known } from "./known-versions.ts";

const CHECKPOINT = "lockstep-checkpoint";

/** Records of one flush. The checkpoint must be true for the changes: everything before `next` is in them or flushed earlier. */
export function encodeFlush(changes: ReadonlyMap<EntityId, Known>, checkpoint: Checkpoint): OutgoingRecord[] {
  const records = [...changes].map(([id, known]) => ({ key: id, value: JSON.stringify(known), headers: {} }));
  const last = records.pop();
  if (!last) return [];
  return [...records, { ...last, headers: { [CHECKPOINT]: JSON.stringify(checkpoint) } }];
}

export function decodeFlushed(records: readonly StoredRecord[]): {
  changes: Map<EntityId, Known>;
  checkpoint: Checkpoint | undefined;
} {
  const changes = new Map<EntityId, Known>();
  let checkpoint: Checkpoint | undefined;
  for (const record of records) {
    if (!record.key || !record.value) continue;
    changes.set(record.key.toString(), JSON.parse(record.value.toString()) as Known);
    const marked = record.headers[CHECKPOINT];
    if (marked) checkpoint = JSON.parse(marked) as Checkpoint;
  }
  return { changes, checkpoint };
}
