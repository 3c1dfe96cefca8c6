/** Outbox row → record of the events topic. */

import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { columnOf, documentOf } from "../contracts/entity/row.ts";
import { encodeEvent } from "../contracts/event.ts";
import type { OutgoingRecord } from "../kafka/log.ts";
import type { OutboxRow } from "./outbox.ts";

const declaredColumns = new WeakMap<EntityDeclaration, readonly string[]>();

/**
 * Makes the record of a row's event. The values are not validated: the stream does that, and a row of the table must
 * not disappear here.
 *
 * @throws {Error} when the row lacks a declared column.
 */
export function toEventRecord(
  entity: EntityDeclaration,
  row: OutboxRow,
  traceparent: string | undefined,
): OutgoingRecord {
  checkColumns(entity, row);
  return encodeEvent({
    entity: entity.name,
    id: row.id,
    version: row.version,
    operation: row.operation,
    time: row.time,
    schemaVersion: entity.schemaVersion,
    document: row.data ? documentOf(entity.fields, row.data) : null,
    traceparent,
    actor: row.actor ?? undefined,
    digest: row.digest ?? undefined,
    resend: row.resend ?? undefined,
  });
}

/**
 * Rejects a row that was captured before the table got a declared column, or after it lost one. The row waits in the
 * outbox and does not become a dead letter: a migration or an upgrade makes it valid, and nothing is lost.
 */
function checkColumns(entity: EntityDeclaration, { id, version, data }: OutboxRow): void {
  if (!data) return;
  let columns = declaredColumns.get(entity);
  if (!columns) {
    columns = Object.keys(entity.fields).map(columnOf);
    declaredColumns.set(entity, columns);
  }
  const missing = columns.find((column) => !(column in data));
  if (missing === undefined) return;
  throw new Error(
    `outbox row of ${entity.name} ${id} at version ${version} has no column ${missing}, which schema version ` +
      `${entity.schemaVersion} declares: add the column with a migration that also changes the rows in the outbox ` +
      "(docs/schema-changes.md)",
  );
}
