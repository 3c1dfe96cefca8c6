/** Format of the compacted versions topic: a record per entity; the last record of a flush carries the checkpoint. */
import type { EntityId } from "../contracts/entity/document.ts";
import { decodeKnownVersion, encodeKnownVersion, type KnownVersion } from "../contracts/known-version.ts";
import type { OutgoingRecord, StoredRecord } from "../kafka/log.ts";
import type { Checkpoint } from "./checkpoint.ts";

/** Header of a flush's last record: the checkpoint as JSON. */
const CHECKPOINT = "lockstep-checkpoint";
const NO_HEADERS = {};

/**
 * Makes the records of one flush. It must contain every change before `checkpoint.next` that no earlier flush contains.
 *
 * @param checkpoint undefined while more records of the same flush follow.
 * @returns no records when there are no changes.
 */
export function encodeFlush(
  changes: ReadonlyMap<EntityId, KnownVersion>,
  checkpoint: Checkpoint | undefined,
): OutgoingRecord[] {
  const records = [...changes].map(([id, known]) => ({
    key: id,
    value: encodeKnownVersion(known),
    headers: NO_HEADERS,
  }));
  const last = records.pop();
  if (!last) return [];
  if (!checkpoint) return [...records, last];
  return [...records, { ...last, headers: { [CHECKPOINT]: JSON.stringify(checkpoint) } }];
}

/** Reads records of the topic: the newest one of each entity, and the last checkpoint, if there is one. */
export function decodeFlushed(records: readonly StoredRecord[]): {
  changes: Map<EntityId, KnownVersion>;
  checkpoint: Checkpoint | undefined;
} {
  const changes = new Map<EntityId, KnownVersion>();
  let checkpoint: Checkpoint | undefined;
  for (const record of records) {
    if (!record.key || !record.value) continue;
    changes.set(record.key.toString(), decodeKnownVersion(record.value));
    const encoded = record.headers[CHECKPOINT];
    if (encoded) checkpoint = JSON.parse(encoded) as Checkpoint;
  }
  return { changes, checkpoint };
}
