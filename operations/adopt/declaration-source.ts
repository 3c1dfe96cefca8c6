/** Writes the declaration of an adopted table: a TypeScript file for a person to read and edit. Pure. */
import { type Relation, relationText, type Type } from "./catalog.ts";
import { ColumnWriter } from "./column-source.ts";
import { constantName, snakeCase, UniqueNames } from "./names.ts";
import type { PlannedChild, PlannedEntity } from "./plan.ts";

/** A declaration file. */
export interface DeclarationFile {
  /** Name without `.ts`: that of the entity. */
  readonly name: string;
  /** The constant that it exports. */
  readonly constant: string;
  readonly text: string;
}

/** Writes the file of an entity. */
export function declarationFile(entity: PlannedEntity, types: ReadonlyMap<number, Type>): DeclarationFile {
  const constants = new UniqueNames();
  const constant = constantName(entity.name, constants);
  const writer = new ColumnWriter(types, constants);
  const table = constantName(snakeCase(entity.relation.name) || entity.plural, constants);
  const children = entity.children.map((child) => ({
    child,
    constant: constantName(snakeCase(child.relation.name), constants),
  }));
  const tables = [
    tableText(table, entity, writer),
    ...children.map((one) => tableText(one.constant, { ...one.child, key: one.child.relation.key! }, writer)),
  ];
  const entityText = defineText(constant, table, entity, children);
  const typeName = constant[0]!.toUpperCase() + constant.slice(1);
  const names = ["defineEntity", ...(children.length > 0 ? ["aggregate", "child"] : []), ...writer.imports].sort();
  const text = [
    `/** Rows of the table ${commentText(relationText(entity.relation))}. Written from the catalogue of PostgreSQL; yours to edit. */`,
    importText([...names, "type Infer"]),
    "",
    ...(writer.declarations.length > 0 ? [...writer.declarations, ""] : []),
    ...tables.flatMap((one) => [one, ""]),
    entityText,
    "",
    `export type ${typeName} = Infer<typeof ${constant}>;`,
    "",
  ].join("\n");
  return { name: entity.name, constant, text };
}

const MAX_WIDTH = 120;

function importText(names: readonly string[]): string {
  const line = `import { ${names.join(", ")} } from "lockstep";`;
  return line.length <= MAX_WIDTH
    ? line
    : `import {\n${names.map((name) => `  ${name},\n`).join("")}} from "lockstep";`;
}

const quote = (text: string): string => JSON.stringify(text);
const commentText = (text: string): string => text.replaceAll("*/", "* /");

interface Rows {
  readonly relation: Relation;
  readonly key: readonly string[];
  readonly members: ReadonlyMap<string, string>;
}

/** `export const films = pgTable("film", { … });` */
function tableText(constant: string, { relation, key, members }: Rows, writer: ColumnWriter): string {
  const { schema, name, columns, uniques } = relation;
  const member = (column: string) => members.get(column)!;
  if (schema === "public") writer.imports.add("pgTable");
  const make = schema === "public" ? "pgTable" : `${writer.schema(schema)}.table`;
  const lines = columns.map((column) => {
    const unique = uniques.find((one) => one.columns.length === 1 && one.columns[0] === column.name);
    const text = writer.column(column, {
      member: member(column.name),
      isOnlyKey: key.length === 1 && key[0] === column.name,
      ...(unique ? { unique: unique.name } : {}),
    });
    return `    ${member(column.name)}: ${text},`;
  });
  const lists = (names: readonly string[]) => names.map((column) => `table.${member(column)}`).join(", ");
  const extras: string[] = [];
  if (key.length > 1) {
    writer.imports.add("primaryKey");
    extras.push(`primaryKey({ columns: [${lists(key)}] })`);
  }
  for (const one of uniques.filter(({ columns: names }) => names.length > 1)) {
    writer.imports.add("unique");
    extras.push(`unique(${quote(one.name)}).on(${lists(one.columns)})`);
  }
  const head = `export const ${constant} = ${make}(`;
  if (extras.length === 0) return `${head}${quote(name)}, {\n${lines.map((line) => line.slice(2)).join("\n")}\n});`;
  return [head, `  ${quote(name)},`, "  {", ...lines, "  },", `  (table) => [${extras.join(", ")}],`, ");"].join("\n");
}

interface NamedChild {
  readonly child: PlannedChild;
  readonly constant: string;
}

function defineText(constant: string, table: string, entity: PlannedEntity, children: readonly NamedChild[]): string {
  const { name, plural, relation, members, secrets, references, otherForeignKeys, truncate } = entity;
  const member = (column: string) => members.get(column)!;
  const lines = [`  name: ${quote(name)},`];
  if (plural !== relation.name) lines.push(`  plural: ${quote(plural)},`);
  if (secrets.length > 0)
    lines.push(
      "  // Secret by its name: a replica gets a private member only when it masks it, or names it in `pick`.",
      `  private: [${secrets.map((column) => quote(member(column))).join(", ")}],`,
    );
  if (references.length > 0)
    lines.push(
      `  references: { ${references.map((one) => `${member(one.column)}: ${quote(one.entity)}`).join(", ")} },`,
    );
  for (const key of otherForeignKeys)
    lines.push(`  // ${key.columns.map(member).join(", ")} refer to ${commentText(relationText(key.target))}.`);
  if (truncate === "delete") lines.push('  truncate: "delete",');
  lines.push(`  replicas: { ${entity.replicas.map((replica) => replicaText(entity, replica)).join(", ")} },`);
  const source =
    children.length === 0 ? table : `aggregate(${table}, { ${children.map((one) => childText(one)).join(", ")} })`;
  return `export const ${constant} = defineEntity(${source}, {\n${lines.join("\n")}\n});`;
}

function childText({ child, constant }: NamedChild): string {
  const list = (columns: readonly string[]) => columns.map((column) => quote(child.members.get(column)!)).join(", ");
  const options = [`parentKey: [${list(child.parentKey)}]`, `key: [${list(child.key)}]`];
  if (child.secrets.length > 0) options.push(`private: [${list(child.secrets)}]`);
  return `${child.member}: child(${constant}, { ${options.join(", ")} })`;
}

function replicaText({ relation, replicaTable }: PlannedEntity, replica: string): string {
  const key = /^[a-z_][A-Za-z0-9_]*$/.test(replica) ? replica : quote(replica);
  const options = replicaTable === relation.name ? "{}" : `{ table: { name: ${quote(replicaTable)} } }`;
  return `${key}: ${options}`;
}

/** The line of a file that exports the entities of several files. */
export const exportLine = ({ constant, name }: DeclarationFile): string =>
  `export { ${constant} } from ${quote(`./${name}.ts`)};`;
