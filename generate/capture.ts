/** SQL of the source about captured entities. Pure. */
import { literal } from "./names.ts";
import type { EntityState } from "./snapshot.ts";

/** Installs capture, or brings it to the table's present columns. */
export const captureText = (entity: string, { table, capture }: EntityState): string =>
  `-- From now on each change of a row is sent to the replicas, whoever makes it.\nselect lockstep.capture(${literal(table)}, ${literal(entity)}, ${literal(JSON.stringify(capture))});`;

/**
 * Adds new columns to rows of the outbox that the relay has not taken yet. The migration has locked out writers, so that
 * no incomplete row is sent.
 *
 * @param added SQL of the values in a JSON object `data`, by column.
 * @param member of the document that has the rows, for a child.
 */
export function outboxText(entity: string, added: ReadonlyMap<string, string>, member?: string): string {
  const pairs = [...added].map(([column, value]) => `${literal(column)}, ${value}`).join(", ");
  const where = `where entity = ${literal(entity)} and data is not null`;
  const comment = "-- Changes that the relay has not sent yet.";
  if (member === undefined)
    return `${comment}\nupdate lockstep.outbox set data = data || jsonb_build_object(${pairs}) ${where};`;
  const ofLine = pairs.replaceAll("data -> ", "line -> ");
  return `${comment}
update lockstep.outbox set data = jsonb_set(data, array[${literal(member)}], (
  select coalesce(jsonb_agg(line || jsonb_build_object(${ofLine}) order by n), '[]')
  from jsonb_array_elements(data -> ${literal(member)}) with ordinality as lines (line, n)))
${where} and data ? ${literal(member)};`;
}
