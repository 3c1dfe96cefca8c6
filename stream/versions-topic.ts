/** Format of the compacted versions topic: a record per entity; the last record of a flush carries the checkpoint. */
import type { EntityId, Version } from "../contracts/entity/document.ts";
import type { OutgoingRecord, StoredRecord } from "../kafka/log.ts";
import type { Checkpoint } from "./version-store.ts";

/** Header of a flush's last record: the checkpoint as JSON. */
const CHECKPOINT = "lockstep-checkpoint";
const NO_HEADERS = {};

/**
 * Makes the records of one flush. It must contain every change before `checkpoint.next` that no earlier flush contains.
 *
 * @returns no records when there are no changes.
 */
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

/** Reads records of the topic: the newest version of each entity, and the last checkpoint, if there is one. */
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
    const encoded = record.headers[CHECKPOINT];
    if (encoded) checkpoint = JSON.parse(encoded) as Checkpoint;
  }
  return { changes, checkpoint };
}
