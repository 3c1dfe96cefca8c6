/** Maps rows of a table to documents and back. */
import type { Document } from "./document.ts";
import { type Field, systemFields } from "./fields.ts";

const columns = new Map<string, string>();

/** `createdAt` → `created_at`. */
export function columnOf(member: string): string {
  let column = columns.get(member);
  if (column === undefined) {
    column = member.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    // Documents name declared members only, so this stays as small as the declarations.
    columns.set(member, column);
  }
  return column;
}

type Member = readonly [member: string, column: string, fromColumn: Field["fromColumn"]];
const members = new WeakMap<Readonly<Record<string, Field>>, readonly Member[]>();

/** Every member of a document with these fields, in the order that a document has them in. */
function membersOf(fields: Readonly<Record<string, Field>>): readonly Member[] {
  let found = members.get(fields);
  if (!found) {
    const { id, version, ...times } = systemFields;
    const all = Object.entries({ id, ...fields, ...times, version });
    found = all.map(([member, { fromColumn }]) => [member, columnOf(member), fromColumn] as const);
    members.set(fields, found);
  }
  return found;
}

/** A document for a row, as `to_jsonb(row)` gives it. Columns that are not declared are left out; nothing is validated. */
export function documentOf(fields: Readonly<Record<string, Field>>, row: Record<string, unknown>): Document {
  const document: Document = {};
  for (const [member, column, fromColumn] of membersOf(fields)) document[member] = fromColumn(row[column] ?? null);
  return document;
}

/** A document as {@link documentOf} gives it of its row: the declared members, in their order. */
export function inOrder(fields: Readonly<Record<string, Field>>, document: Document): Document {
  const ordered: Document = {};
  for (const [member, , fromColumn] of membersOf(fields)) ordered[member] = fromColumn(document[member] ?? null);
  return ordered;
}

/** The row for a document: the same values under their columns' names. */
export function rowOf(document: Document): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  for (const member in document) row[columnOf(member)] = document[member];
  return row;
}
