/**
 * The SQL of one entity: the files of this folder, filled in from the declaration.
 *
 * A write is part of one statement and therefore of one transaction. Its row, version, outbox row (by trigger), the
 * rows of its children and idempotency key are committed together, and a lost connection cannot leave a part of them.
 * The text is the same for every change, whatever members it has, because each text is a prepared statement in every
 * connection.
 */
import type { Field } from "../../contracts/entity/field.ts";
import { quotedName, quotedTable } from "../../contracts/entity/table.ts";
import { deleteChildren, writeChildren } from "./children.ts";
import {
  databaseDefault,
  givenValue,
  JSON_NULL,
  keyColumns,
  keyTextOf,
  keyValuesOf,
  literal,
  writableFields,
} from "./expressions.ts";
import { fillIn } from "./fill-in.ts";
import insert from "./insert.sql" with { type: "text" };
import list from "./list.sql" with { type: "text" };
import { commonParts, hasKeyOf, type StatementEntity } from "./parts.ts";
import read from "./read.sql" with { type: "text" };
import remove from "./remove.sql" with { type: "text" };
import storeKey from "./store-key.sql" with { type: "text" };
import { takenCase, takenRows } from "./taken.ts";
import update from "./update.sql" with { type: "text" };
import writtenChildren from "./written-children.sql" with { type: "text" };

/** The texts of one kind of write. Every text is a prepared statement of its own. */
export interface WriteStatement {
  /**
   * @param storesKeys at least one of the writes has an idempotency key.
   * @param checksTaken the statement answers writes whose unique value is taken, instead of failing. It costs some 8 µs
   * for each write, so it is used only while values are taken often.
   */
  text(options: { readonly storesKeys: boolean; readonly checksTaken: boolean }): string;
}

/** The statements of one entity. */
export interface Statements {
  readonly insert: WriteStatement;
  readonly update: WriteStatement;
  readonly remove: WriteStatement;
  readonly read: string;
  /** The first page. */
  readonly list: string;
  /** The page after an id. */
  readonly listAfter: string;
  /** True when an item of an insert is {row, children}, false when it is the row. */
  readonly insertTakesItems: boolean;
}

/** Fills the statements in for one entity. */
export function statementsOf(entity: StatementEntity): Statements {
  const common = commonParts(entity);
  const fill = (text: string, parts: Readonly<Record<string, string>>) => fillIn(text, { ...common, ...parts });
  const writeStatement = (
    text: string,
    parts: Readonly<Record<string, string>>,
    takenCase?: string,
  ): WriteStatement => {
    const texts = [false, true].map((checksTaken) =>
      ["", fill(storeKey, {})].map((key) =>
        fill(text, {
          ...parts,
          store_key: key,
          taken: (checksTaken && takenCase) || "null::text",
          or_taken: checksTaken && takenCase ? takenRows(entity) : "",
        }),
      ),
    );
    return { text: ({ storesKeys, checksTaken }) => texts[Number(checksTaken)]![Number(storesKeys)]! };
  };
  const listOf = (condition: string) => fill(list, { condition });
  const { order, shown } = common;
  const after = keyValuesOf(keyColumns(entity.fields, entity.key), "$2::text").join(", ");
  return {
    insert: writeStatement(insert, insertParts(entity), takenCase(entity, "insert")),
    update: writeStatement(update, updateParts(entity), takenCase(entity, "update")),
    remove: writeStatement(remove, removeParts(entity)),
    read: fill(read, { has_key: hasKeyOf(entity, "$1::text", "lockstep_row") }),
    list: listOf(shown),
    listAfter: listOf(`(${order}) > (${after}) and ${shown}`),
    insertTakesItems: takesItems(entity),
  };
}

/** True when an insert needs each row as JSON, beside the record that PostgreSQL makes of it. */
function takesItems({ fields, key, children }: StatementEntity): boolean {
  const isSpecial = (member: string) =>
    fields[member]!.kind === "json" ||
    fields[member]!.kind === "jsonb" ||
    fields[member]!.elementKind === "json" ||
    (fields[member]!.hasDatabaseDefault && !fields[member]!.readOnly && !key.includes(member));
  return Object.keys(children).length > 0 || Object.keys(fields).some(isSpecial);
}

/** SQL that calls the function which writes the children of the changed rows, see written-children.sql. */
function childrenPart(entity: StatementEntity, statements: readonly string[], rows: string, lists: string): string {
  if (Object.keys(entity.children).length === 0) return "";
  return fillIn(writtenChildren, {
    statements: `array[${statements.map(literal).join(", ")}]`,
    rows,
    lists,
    written: entity.version === undefined ? ", changed.written" : "",
  });
}

function insertParts(entity: StatementEntity): Readonly<Record<string, string>> {
  const { name, fields, key, version } = entity;
  const table = quotedTable(entity.table);
  const inserted = [...key.map((member) => fields[member]!), ...writableFields(entity)];
  const columns = inserted.map(({ column }) => quotedName(column)).join(", ");
  const id = keyTextOf(keyColumns(fields, key), "lockstep_row");
  const overriding = key.some((member) => fields[member]!.hasDatabaseDefault) ? "overriding system value" : "";
  const written =
    version === undefined ? `, lockstep.next_version(${literal(name)}, ${id}, true)::float8 as written` : "";
  if (!takesItems(entity))
    return {
      columns,
      overriding,
      written,
      requested: "given.*",
      given: `jsonb_populate_recordset(null::${table}, $1::text::jsonb) as given`,
    };
  const values = inserted.map((field) => {
    const value = givenValue(field, "(item.value -> 'row')", "given");
    const isDefault = field.hasDatabaseDefault && !field.readOnly && !key.some((member) => fields[member] === field);
    return `${isDefault ? `case when item.value -> 'row' ? ${literal(field.column)} then ${value} else ${databaseDefault(field, table)} end` : value} as ${quotedName(field.column)}`;
  });
  return {
    columns,
    overriding,
    written,
    requested: [...values, "coalesce(item.value -> 'children', '{}') as lockstep_children"].join(", "),
    given: `jsonb_array_elements($1::text::jsonb) as item (value), jsonb_populate_record(null::${table}, item.value -> 'row') as given`,
    children: childrenPart(
      entity,
      writeChildren(entity),
      `changed left join requested on ${keyTextOf(keyColumns(fields, key), "requested")} = changed.id::text`,
      // A trigger gave the row another key: its lists are not found by it.
      "coalesce(requested.lockstep_children, lockstep.reject_uncaptured(changed.id::text))",
    ),
  };
}

/** The new value of a column in an update. */
function changedValue(field: Field, table: string): string {
  const name = literal(field.column);
  const row = `lockstep_row.${quotedName(field.column)}`;
  let value = givenValue(field, "requested.change", "given");
  // A merge patch changes the members of an object that it names (RFC 7396). Other values replace the column's.
  if (field.kind === "jsonb")
    value = `case when requested.merges = 'true' and jsonb_typeof(requested.change -> ${name}) = 'object'
      and requested.change -> ${name} <> ${JSON_NULL} then lockstep.merge_patch(${row}, requested.change -> ${name}) else ${value} end`;
  if (value !== `given.${quotedName(field.column)}`)
    value = `case when requested.change ? ${name} then ${value} else ${row} end`;
  if (!field.hasDatabaseDefault) return value;
  return `case when requested.defaults ? ${name} then ${databaseDefault(field, table)} else ${value} end`;
}

function updateParts(entity: StatementEntity): Readonly<Record<string, string>> {
  const { name, fields, key, version } = entity;
  const table = quotedTable(entity.table);
  const written = writableFields(entity);
  const keys = keyColumns(fields, key);
  const valueIn = (field: (typeof written)[number]) => changedValue(field, table);
  const more = [
    ...(written.some(({ hasDatabaseDefault }) => hasDatabaseDefault) ? ["defaults"] : []),
    ...(written.some(({ kind }) => kind === "jsonb") ? ["merges"] : []),
    ...(Object.keys(entity.children).length > 0 ? ["children"] : []),
  ];
  const sameKey = keys.map(({ column }) => `new.${column} = old.${column}`).join(" and ");
  const column = version && quotedName(fields[version]!.column);
  return {
    // A table of nothing but its key has one column at least, and keeps its value.
    columns: written.length > 0 ? written.map((field) => quotedName(field.column)).join(", ") : keys[0]!.column,
    values: written.length > 0 ? written.map(valueIn).join(", ") : `lockstep_row.${keys[0]!.column}`,
    more: more.map((name) => `, ${name}`).join(""),
    given_more: more.map((name) => `, ${name} jsonb`).join(""),
    is_captured: column ? `new.${column} > old.${column} and ${sameKey}` : sameKey,
    written: column ? "" : `, ${nextVersion(entity, name)} as written`,
    children: childrenPart(
      entity,
      writeChildren(entity),
      "changed join requested on requested.id = changed.id",
      "coalesce(requested.children, '{}')",
    ),
  };
}

function removeParts(entity: StatementEntity): Readonly<Record<string, string>> {
  return {
    written: entity.version ? "" : `, ${nextVersion(entity, entity.name)} as written`,
    children: childrenPart(entity, deleteChildren(entity), "changed", "null"),
  };
}

/**
 * The version that a change makes, beside the table. Other transactions change the version of a row with children
 * without a lock of the row: the version that was accepted is compared again under the lock of the version.
 */
function nextVersion({ fields, key, children }: StatementEntity, name: string): string {
  const next = `lockstep.next_version(${literal(name)}, ${keyTextOf(keyColumns(fields, key), "lockstep_row")})`;
  if (Object.keys(children).length === 0) return `${next}::float8`;
  return `lockstep.accept_version(${next}, requested.accepted)::float8`;
}
