/**
 * The statements that write and read the rows of children (the lines of an order), in the transaction of their parent's
 * row. They run after the parent is locked, each with a snapshot of its own: a list that replaces another one also
 * deletes the rows that were committed after the write's statement began.
 */
import type { ChildDeclaration, EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { quotedName, quotedTable } from "../../contracts/entity/table.ts";
import { databaseDefault, givenValue, hasKey, keyColumns, keyValuesOf, literal, rowAsJson } from "./expressions.ts";

type Parent = Pick<EntityDeclaration, "fields" | "key" | "children">;

/** The texts for one child: each takes $1, a JSON list of {id: of the parent, children: its lists by member}. */
interface ChildSql {
  readonly deleteAll: string;
  readonly deleteOthers: string;
  readonly update: string | undefined;
  readonly insert: string;
}

const PARENTS = "jsonb_array_elements($1) as parent (value)";
/** The rows of a list that the request has. A parent whose request does not have the list keeps its rows. */
const linesOf = (list: string, table: string): string =>
  `jsonb_array_elements(${list}) with ordinality as line (value, n), jsonb_populate_record(null::${table}, line.value) as given`;

/** Statements to run in turn: they write all lists. The last one answers them. */
export function writeChildren(entity: Parent): string[] {
  const all = Object.entries(entity.children).map(([member, child]) => childSql(entity, member, child));
  return [
    ...all.map(({ deleteOthers }) => deleteOthers),
    ...all.flatMap(({ update }) => update ?? []),
    ...all.map(({ insert }) => insert),
    readChildren(entity),
  ];
}

/** Statements to run in turn: they delete the rows of all children. The last one answers nothing. */
export const deleteChildren = (entity: Parent): string[] => [
  ...Object.entries(entity.children).map(([member, child]) => childSql(entity, member, child).deleteAll),
  "select null::jsonb",
];

/** An SQL expression: an object that has the rows of each child by its member. @param id of the parent, as SQL. */
export const childrenOf = (entity: Parent, id: string): string =>
  `jsonb_build_object(${Object.entries(entity.children)
    .map(([member, child]) => `${literal(member)}, ${rowsOf(entity, child, id)}`)
    .join(", ")})`;

const readChildren = (entity: Parent): string =>
  `select jsonb_object_agg(parent.value ->> 'id', ${childrenOf(entity, "(parent.value ->> 'id')")}) from ${PARENTS}`;

/** The rows in the order of their key. Texts are in the order of their bytes, which is the same in every database. */
function rowsOf(entity: Parent, child: ChildDeclaration, id: string): string {
  const order = keyColumns(child.fields, child.key).map(
    ({ column, kind }) => `child.${column}${kind === "citext" || kind === "escaped" ? collation(child, column) : ""}`,
  );
  return `(select coalesce(jsonb_agg(${rowAsJson(child.fields, "child")} order by ${order.join(", ")}), '[]')
    from ${quotedTable(child.table)} as child where ${belongsTo(entity, child, id)})`;
}

/** Enums have no collation. */
const collation = ({ fields }: ChildDeclaration, column: string): string =>
  Object.values(fields).some((field) => field.kind === "enum" && quotedName(field.column) === column)
    ? ""
    : ' collate "C"';

/** Condition: the child belongs to the parent with this id. */
function belongsTo({ fields, key }: Parent, child: ChildDeclaration, id: string): string {
  const columns = child.parentKey.map((member) => ({ column: quotedName(child.fields[member]!.column) }));
  return hasKey(columns, "child", keyValuesOf(keyColumns(fields, key), id));
}

function childSql(entity: Parent, member: string, child: ChildDeclaration): ChildSql {
  const { fields, key, parentKey } = child;
  const table = quotedTable(child.table);
  const id = "(parent.value ->> 'id')";
  const list = `parent.value -> 'children' -> ${literal(member)}`;
  const keys = keyColumns(fields, key);
  const isSame = hasKey(
    keys,
    "child",
    keys.map(({ column }) => `given.${column}`),
  );
  const lines = linesOf(list, table);
  const own = Object.entries(fields).filter(([name]) => !parentKey.includes(name));
  const written = own.filter(([name, { readOnly }]) => !readOnly && !key.includes(name)).map(([, field]) => field);
  const inserted = own.filter(([, { readOnly }]) => !readOnly).map(([, field]) => field);
  const valueIn = (field: (typeof written)[number]): string => {
    const value = givenValue(field, "line.value", "given");
    if (!field.hasDatabaseDefault) return value;
    return `case when line.value ? ${literal(field.column)} then ${value} else ${databaseDefault(field, table)} end`;
  };
  const parentValues = keyValuesOf(keyColumns(entity.fields, entity.key), id);
  return {
    deleteAll: `delete from ${table} as child using ${PARENTS} where ${belongsTo(entity, child, id)}`,
    deleteOthers: `delete from ${table} as child using ${PARENTS}
      where ${belongsTo(entity, child, id)} and parent.value -> 'children' ? ${literal(member)}
        and not exists (select from ${lines} where ${isSame})`,
    update:
      written.length === 0
        ? undefined
        : `update ${table} as child
      set (${written.map(({ column }) => quotedName(column)).join(", ")}) = row(${written.map(valueIn).join(", ")})
      from ${PARENTS}, ${lines} where ${belongsTo(entity, child, id)} and ${isSame}`,
    insert: `insert into ${table} (${[...parentKey.map((name) => fields[name]!), ...inserted].map(({ column }) => quotedName(column)).join(", ")})
      select ${[...parentValues, ...inserted.map(valueIn)].join(", ")} from ${PARENTS}, ${lines}
      where not exists (select from ${table} as child where ${belongsTo(entity, child, id)} and ${isSame})
      order by parent.value ->> 'id', line.n`,
  };
}
