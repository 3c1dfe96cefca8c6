/** The migration of a replica that creates the copy of an adopted table, with the types that its columns need. Pure. */
import { type Column, identifier, literal, relationText, type Type } from "./catalog.ts";
import type { PlannedChild, PlannedEntity } from "./plan.ts";

type Types = ReadonlyMap<number, Type>;

/** The SQL text: schemas, extensions and types that are missing, the table, and those of its children. */
export function replicaTableMigration(entity: PlannedEntity, types: Types): string {
  const prerequisites = new Prerequisites(types);
  const tables = [
    tableText(entity.replicaTable, entity.relation.columns, { ...entity, primaryKey: entity.key }, prerequisites),
    ...entity.children.map((child) => childTable(child, prerequisites)),
  ];
  return [
    `-- The replica's copy of ${relationText(entity.relation).replaceAll("\n", " ")}. Domains have their base types here: the source has checked the values.`,
    "-- Add indexes, columns and tables of your own as your reads need them.",
    ...prerequisites.statements,
    ...tables,
    "",
  ].join("\n");
}

const childTable = (child: PlannedChild, prerequisites: Prerequisites): string =>
  tableText(
    child.relation.name,
    child.relation.columns,
    { secrets: child.secrets, primaryKey: [...child.parentKey, ...child.key] },
    prerequisites,
  );

function tableText(
  name: string,
  columns: readonly Column[],
  { secrets, primaryKey }: { readonly secrets: readonly string[]; readonly primaryKey: readonly string[] },
  prerequisites: Prerequisites,
): string {
  const kept = columns.filter((column) => !secrets.includes(column.name));
  const lines = kept.map((column) => {
    const notNull = column.notNull || primaryKey.includes(column.name) ? " not null" : "";
    return `  ${identifier(column.name)} ${prerequisites.typeText(column.typeOid, column.modifier, column.type)}${notNull},`;
  });
  return [
    `create table ${identifier(name)} (`,
    ...lines,
    `  primary key (${primaryKey.map(identifier).join(", ")})`,
    ");",
  ].join("\n");
}

/** Collects what has to exist before a table. Each statement is harmless when it is there already. */
class Prerequisites {
  readonly statements: string[] = [];
  private readonly seen = new Set<string>();

  constructor(private readonly types: Types) {}

  /** The type of a column in a replica. A type that cannot be created there becomes text. */
  typeText(oid: number, modifier: number, text: string): string {
    const type = this.types.get(oid);
    if (!type) return "text";
    if (type.element !== null)
      return `${this.typeText(type.element, modifier, text.replace(/\[\]$/, "")).replace(/\[\]$/, "")}[]`;
    if (type.base) return this.typeText(type.base.oid, type.base.modifier, type.base.text);
    if (type.schema === "pg_catalog") return text;
    if (type.extension !== null) {
      this.addExtension(type.extension, type.extensionSchema!);
      return text;
    }
    return this.addType(type) ? text : "text";
  }

  private addExtension(extension: string, schema: string): void {
    const place = schema === "public" ? "" : ` schema ${identifier(schema)}`;
    if (place !== "") this.addSchema(schema);
    this.add(`create extension if not exists ${identifier(extension)}${place};`);
  }

  private addSchema(schema: string): void {
    if (schema !== "public") this.add(`create schema if not exists ${identifier(schema)};`);
  }

  /** @returns false for a type that its owner programmed in C without an extension. */
  private addType(type: Type): boolean {
    const { labels, attributes } = type;
    if (type.range !== null) return this.addType(this.types.get(type.range)!); // comes with its range
    if (labels) this.addTypeOf(type, `as enum (${labels.map(literal).join(", ")})`);
    else if (attributes)
      this.addTypeOf(
        type,
        `as (${attributes.map((one) => `${identifier(one.name)} ${this.typeText(one.oid, one.modifier, one.text)}`).join(", ")})`,
      );
    else if (type.subtype !== null) {
      const subtype = this.types.get(type.subtype)!;
      this.addTypeOf(type, `as range (subtype = ${this.typeText(subtype.oid, -1, subtype.text)})`);
    } else return false;
    return true;
  }

  private addTypeOf({ schema, name }: Type, definition: string): void {
    this.addSchema(schema);
    const type = `${identifier(schema)}.${identifier(name)}`;
    this.add(
      `do $lockstep$ begin\n  create type ${type} ${definition};\nexception when duplicate_object then null;\nend $lockstep$;`,
    );
  }

  private add(statement: string): void {
    if (this.seen.has(statement)) return;
    this.seen.add(statement);
    this.statements.push(statement);
  }
}
