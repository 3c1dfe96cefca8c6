/** Outbox row → record of the events topic. */

import type { ReasonOf } from "../contracts/dead-letter-reasons.ts";
import { columnsOf, type EntityDeclaration } from "../contracts/entity/declaration.ts";
import { parseRow } from "../contracts/entity/parse.ts";
import { documentOf } from "../contracts/entity/row.ts";
import { LockstepError } from "../contracts/errors.ts";
import { encodeEvent } from "../contracts/event.ts";
import type { OutgoingRecord } from "../kafka/log.ts";
import { MAX_READ_BYTES, type OutboxRow } from "./outbox.ts";

/** A row whose event cannot be built. */
export class UnsendableRowError extends LockstepError {
  constructor(
    readonly reason: ReasonOf<"relay">,
    /** Quotes no value of the row. */
    detail: string,
  ) {
    super("UNSENDABLE_ROW", detail);
  }
}

const declaredColumns = new WeakMap<EntityDeclaration, readonly string[]>();

/**
 * Makes the record of a row's event. The values are not validated: the stream does that, and a row of the table must
 * not disappear here.
 *
 * @throws {UnsendableRowError} when the row lacks a declared column, is too large, or has a version that is not exact.
 * @throws {Error} when the code of a field cannot read a value.
 */
export function toEventRecord(
  entity: EntityDeclaration,
  row: OutboxRow,
  traceparent: string | undefined,
): OutgoingRecord {
  if (row.bytes > MAX_READ_BYTES)
    throw new UnsendableRowError(
      "record-too-large",
      `the row has ${row.bytes} bytes; the relay reads at most ${MAX_READ_BYTES}`,
    );
  if (!Number.isSafeInteger(row.version))
    throw new UnsendableRowError(
      "version-too-large",
      `the version is above ${Number.MAX_SAFE_INTEGER}, so a JSON number cannot hold it exactly`,
    );
  const data = row.data === null ? null : parseRow(entity, row.data);
  if (data) checkColumns(entity, data);
  return encodeEvent({
    namespace: entity.namespace,
    entity: entity.name,
    id: row.id,
    version: row.version,
    operation: row.operation,
    time: row.time,
    schemaVersion: entity.schemaVersion,
    document: data ? documentOf(entity, data) : null,
    traceparent,
    actor: row.actor ?? undefined,
    digest: row.digest ?? undefined,
    resend: row.resend ?? undefined,
  });
}

/** Rejects a row that was captured before the table got a declared column, or after it lost one. */
function checkColumns(entity: EntityDeclaration, data: Record<string, unknown>): void {
  let columns = declaredColumns.get(entity);
  if (!columns) {
    columns = [...columnsOf(entity), ...Object.keys(entity.children)];
    declaredColumns.set(entity, columns);
  }
  const missing = columns.find((column) => !(column in data));
  if (missing === undefined) return;
  throw new UnsendableRowError(
    "missing-column",
    `the row has no column ${missing}, which schema version ${entity.schemaVersion} declares`,
  );
}
