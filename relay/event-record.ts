/** What an outbox row becomes in the log. */
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { columnOf, documentOf } from "../contracts/entity/row.ts";
import { encodeEvent } from "../contracts/event.ts";
import type { OutgoingRecord } from "../kafka/log.ts";
import type { OutboxRow } from "./outbox.ts";

const columnsOf = new WeakMap<EntityDeclaration, readonly string[]>();

/**
 * A row that was captured before the table had a declared column, or after it lost one, has not the shape that its event would claim.
 * It waits in the outbox rather than become a dead letter: the way out is a migration or an upgrade, and then nothing is lost.
 */
function rejectOtherShape(entity: EntityDeclaration, { id, version, data }: OutboxRow): void {
  if (!data) return;
  let columns = columnsOf.get(entity);
  if (!columns) {
    columns = Object.keys(entity.fields).map(columnOf);
    columnsOf.set(entity, columns);
  }
  for (const column of columns)
    if (!(column in data))
      throw new Error(
        `the outbox has ${entity.name} ${id} at version ${version} without ${column}, which schema version ${entity.schemaVersion} declares: ` +
          "a migration that changes columns must change waiting rows too, and drops none that is still declared (docs/schema-changes.md)",
      );
}

/**
 * The record of a row's event. Its values are not validated: that is the stream's work, and a row that is in the table must not
 * vanish here.
 *
 * @throws {Error} when the row has not the columns of the declared shape.
 */
export function toEventRecord(
  entity: EntityDeclaration,
  row: OutboxRow,
  traceparent: string | undefined,
): OutgoingRecord {
  rejectOtherShape(entity, row);
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
