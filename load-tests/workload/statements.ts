/** SQL that writes an entity's rows, from its declaration: for the bulk of a bench, and for writes without a gateway. Pure. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { rowOf } from "../../contracts/entity/row.ts";
import { quotedName, quotedTable } from "../../contracts/entity/table.ts";
import { UserError } from "../../contracts/errors.ts";
import { exampleChange, exampleVariant } from "./from-example.ts";

/** Statements that change many rows. Each takes `$1`, a list of uuids. */
export interface BulkStatements {
  /** Inserts rows with these ids. */
  readonly insert: string;
  readonly update: string;
  readonly remove: string;
}

/** Statements for one row. */
export interface RowStatements {
  /** Takes $1: a row as JSON. Returns its id and version. */
  readonly insert: string;
  /** Takes $1: a row as JSON, $2: the id. Returns id and version; no row when there is none. */
  readonly update: string;
  /** Takes $1: the id. Returns id and version; no row when there is none. */
  readonly remove: string;
}

const literal = (value: unknown): string => `'${JSON.stringify(value).replaceAll("'", "''")}'::jsonb`;

/** Column of the key. @throws {UserError} when the key is not one uuid, or lines belong to the entity. */
function uuidColumn({ name, key, fields, children }: EntityDeclaration): string {
  const [member, ...others] = key;
  const field = member === undefined ? undefined : fields[member];
  if (field?.kind === "uuid" && others.length === 0 && Object.keys(children).length === 0)
    return quotedName(field.column);
  throw new UserError(
    `${name} needs statements of its own for writes by SQL, because its key is not one uuid, or it has children: export ` +
      "`bulk` from workload.ts",
  );
}

/** Columns that clients may set, without the key's. */
const writableColumns = ({ fields, key }: EntityDeclaration): string[] =>
  Object.entries(fields)
    .filter(([member, { readOnly, generated }]) => !readOnly && !generated && !key.includes(member))
    .map(([, { column }]) => quotedName(column));

/** Rows of the example, each with its own unique values. @throws {UserError} see {@link uuidColumn}. */
export function bulkStatements(entity: EntityDeclaration): BulkStatements {
  const id = uuidColumn(entity);
  const table = quotedTable(entity.table);
  const columns = writableColumns(entity);
  const example = rowOf(
    entity,
    exampleVariant(entity, "", () => 0),
  );
  const unique = entity.unique
    .filter((member) => typeof entity.example?.[member] === "string")
    .map((member) => `, '${entity.fields[member]!.column.replaceAll("'", "''")}', 'bulk-' || new_row.id`);
  const given = columns.filter((column) => Object.keys(example).some((name) => quotedName(name) === column));
  const change = rowOf(
    entity,
    exampleChange(entity)(() => 0.5),
  );
  const changed = Object.keys(change).map(
    (column) => `${quotedName(column)} = case when r.${quotedName(column)} is distinct from c.${quotedName(column)}
      then c.${quotedName(column)} else e.${quotedName(column)} end`,
  );
  return {
    insert: `insert into ${table} (${[id, ...given].join(", ")})
      select new_row.id, ${given.map((column) => `r.${column}`).join(", ")}
      from unnest($1::uuid[]) as new_row (id),
        jsonb_populate_record(null::${table}, ${literal(example)} || jsonb_build_object(${unique.join("").slice(2)})) as r`,
    update: `update ${table} as r set ${changed.join(", ")}
      from jsonb_populate_record(null::${table}, ${literal(change)}) as c,
        jsonb_populate_record(null::${table}, ${literal(example)}) as e
      where r.${id} = any ($1::uuid[])`,
    remove: `delete from ${table} where ${id} = any ($1::uuid[])`,
  };
}

/** @throws {UserError} see {@link uuidColumn}, and for an entity without a version column. */
export function rowStatements(entity: EntityDeclaration): RowStatements {
  const id = uuidColumn(entity);
  const { version } = entity;
  if (version === undefined)
    throw new UserError(`${entity.name} has no version column, which writes without a gateway need`);
  const table = quotedTable(entity.table);
  const columns = writableColumns(entity).join(", ");
  const returning = `returning ${id} as id, ${quotedName(entity.fields[version]!.column)} as version`;
  const given = `select ${columns} from jsonb_populate_record(null::${table}, ($1::text)::jsonb)`;
  return {
    insert: `insert into ${table} (${columns}) ${given} ${returning}`,
    update: `update ${table} set (${columns}) = (${given}) where ${id} = $2::uuid ${returning}`,
    remove: `delete from ${table} where ${id} = $1::uuid ${returning}`,
  };
}
