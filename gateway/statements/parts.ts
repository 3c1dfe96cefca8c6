/** Parts of the statements that follow from an entity's key, its version and its columns. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { needsExactRows } from "../../contracts/entity/parse.ts";
import { quotedName, quotedTable } from "../../contracts/entity/table.ts";
import { childrenOf } from "./children.ts";
import { hasKey, keyColumns, keyTextOf, keyValuesOf, literal, ownRowAsJson, rowAsJson } from "./expressions.ts";

/** What the statements need to know about an entity. */
export type StatementEntity = Pick<
  EntityDeclaration,
  "name" | "table" | "fields" | "key" | "children" | "unique" | "version"
>;

/** Condition: the row has the key of the id, an expression. */
export const hasKeyOf = ({ fields, key }: StatementEntity, id: string, row: string): string => {
  const columns = keyColumns(fields, key);
  return hasKey(columns, row, keyValuesOf(columns, id));
};

/** True for a key of one UUID: its text is the id. */
export const hasUuid = ({ fields, key }: StatementEntity): boolean =>
  key.length === 1 && fields[key[0]!]!.type === "uuid";

/** Parts that several statements have, by their names in the templates. */
export function commonParts(entity: StatementEntity) {
  const { fields, children, version } = entity;
  const hasChildren = Object.keys(children).length > 0;
  const data = (version ? ownRowAsJson : rowAsJson)(fields, "lockstep_row");
  const id = keyTextOf(keyColumns(fields, entity.key), "lockstep_row");
  return {
    ...keyParts(entity),
    ...(version ? columnParts(fields[version]!.column) : besideParts(entity)),
    table: quotedTable(entity.table),
    data,
    document: hasChildren ? `${data} || ${childrenOf(entity, `(${id})`)}` : data,
    as_text: needsExactRows(entity) ? "::text" : "",
    answered: hasChildren ? "answered" : "changed",
    children: "",
    written: "",
  };
}

function keyParts(entity: StatementEntity) {
  const key = keyColumns(entity.fields, entity.key);
  const order = key.map(({ column }) => `lockstep_row.${column}`).join(", ");
  const isUuid = hasUuid(entity);
  const requested = key.map((_, i) => `requested.key_${i + 1}`);
  const values = keyValuesOf(key, "given.id").map((value, i) => `${value} as key_${i + 1}`);
  return {
    order,
    id: isUuid ? order : keyTextOf(key, "lockstep_row"),
    // Rows are compared by it: a UUID takes less time than its text.
    id_type: isUuid ? "uuid" : "text",
    keys: values.join(", "),
    has_key: hasKey(key, "lockstep_row", requested),
    before_has_key: hasKey(key, "before", requested),
  };
}

/** For versions in a column of the table. @param name of the column. */
function columnParts(name: string) {
  const column = quotedName(name);
  return {
    version: "",
    version_before: `before.${column}::float8`,
    require_capture: "",
    // A version without an exact JSON number cannot be shown ...
    shown: `lockstep_row.${column} <= 9007199254740991`,
    // ... and the version after the last one of these would have none.
    below_limit: ` and lockstep_row.${column} < 9007199254740991`,
    is_accepted: acceptsVersion(`lockstep_row.${column}`),
    answer_written: "",
    stored_version: "null",
  };
}

/** For versions beside the table. A row without an entry there has version 1. */
function besideParts({ name, table, fields, key }: StatementEntity) {
  const columns = keyColumns(fields, key);
  const id = keyTextOf(columns, "lockstep_row");
  const entity = literal(name);
  const versionOf = (of: string) =>
    `coalesce((select v.version from lockstep.row_versions as v where v.entity = ${entity} and v.id = ${of}), 1)::float8`;
  return {
    version: `, ${versionOf(id)} as version`,
    version_before: `case when before.${columns[0]!.column} is not null then ${versionOf("requested.id::text")} end`,
    require_capture: `,\n    lockstep.require_capture(${entity}, ${literal(quotedTable(table))}::regclass)`,
    shown: "true",
    below_limit: "",
    is_accepted: acceptsVersion(`lockstep.version_of(${entity}, ${id})`),
    answer_written: ", written",
    stored_version: "written",
  };
}

const acceptsVersion = (version: string): string =>
  `(requested.accepted is null or requested.accepted @> to_jsonb(${version}))`;
