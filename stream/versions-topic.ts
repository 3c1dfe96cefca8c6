/** What is known, as records of the compacted versions topic: one per entity, the last of a flush carries the checkpoint. */
import type { EntityId, Version } from "../contracts/entity/document.ts";
import type { OutgoingRecord, StoredRecord } from "../kafka/log.ts";
import type { Checkpoint } from "./version-store.ts";

const CHECKPOINT = "lockstep-checkpoint";
const NO_HEADERS = {};

/** Records of one flush. The checkpoint must be true for the changes: everything before `next` is in them or flushed earlier. */
export function encodeFlush(changes: ReadonlyMap<EntityId, Version>, checkpoint: Checkpoint): OutgoingRecord[] {
  const records = [...changes].map(([id, version]) => ({
    key: id,
    value: `{"version":${version}}`,
    headers: NO_HEADERS,
  }));
  const last = records.pop();
  if (!last) return [];
  return [...records, { ...last, headers: { [CHECKPOINT]: JSON.stringify(checkpoint) } }];
}

export function decodeFlushed(records: readonly StoredRecord[]): {
  changes: Map<EntityId, Version>;
  checkpoint: Checkpoint | undefined;
} {
  const changes = new Map<EntityId, Version>();
  let checkpoint: Checkpoint | undefined;
  for (const record of records) {
    if (!record.key || !record.value) continue;
    const { version } = JSON.parse(record.value.toString()) as { version: Version };
    changes.set(record.key.toString(), version);
    const marked = record.headers[CHECKPOINT];
    if (marked) checkpoint = JSON.parse(marked) as Checkpoint;
  }
  return { changes, checkpoint };
}
