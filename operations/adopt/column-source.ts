/** A column of PostgreSQL → the TypeScript that declares it. */
import type { Column, Type } from "./catalog.ts";
import { camelCase, type UniqueNames } from "./names.ts";

/** What the columns of one file need beside themselves. */
export class ColumnWriter {
  /** Names to import from `lockstep`. */
  readonly imports = new Set<string>();
  /** Lines that declare schemas and enums, in their order. */
  readonly declarations: string[] = [];
  private readonly enums = new Map<number, string>();
  private readonly schemas = new Map<string, string>();

  constructor(
    private readonly types: ReadonlyMap<number, Type>,
    /** The constants of the file. */
    private readonly constants: UniqueNames,
  ) {}

  /** `text("created_at").notNull().default("x")`. @param isOnlyKey the column is the whole primary key. */
  column(
    column: Column,
    options: { readonly member: string; readonly isOnlyKey: boolean; readonly unique?: string },
  ): string {
    const name = options.member === column.name ? "" : JSON.stringify(column.name);
    return [
      this.builder(column.typeOid, column.modifier, column.type, name),
      ".array()".repeat(Math.max(0, column.dimensions - 1)),
      options.isOnlyKey ? ".primaryKey()" : column.notNull ? ".notNull()" : "",
      options.unique === undefined ? "" : `.unique(${JSON.stringify(options.unique)})`,
      this.defaultOf(column),
    ].join("");
  }

  /** Constant of a schema of PostgreSQL: `pgSchema("app")`. */
  schema(name: string): string {
    let constant = this.schemas.get(name);
    if (constant === undefined) {
      this.imports.add("pgSchema");
      constant = this.constants.take(`${camelCase(name) || "own"}Schema`);
      this.schemas.set(name, constant);
      this.declarations.push(`const ${constant} = pgSchema(${JSON.stringify(name)});`);
    }
    return constant;
  }

  private use(name: string): string {
    this.imports.add(name);
    return name;
  }

  private builder(oid: number, modifier: number, text: string, name: string): string {
    const type = this.types.get(oid);
    if (!type) return this.textColumn(text, name);
    if (type.element !== null)
      return `${this.builder(type.element, modifier, text.replace(/\[\]$/, ""), name)}.array()`;
    if (type.base) {
      const base = this.rootOf(type);
      return `${this.use("pgDomain")}(${JSON.stringify(type.text)}, ${this.builder(base.oid, base.modifier, base.text, name)})`;
    }
    if (type.labels && type.labels.length > 0) return `${this.enumOf(type)}(${name})`;
    if (type.schema !== "pg_catalog") return this.textColumn(text, name);
    return this.builtIn(type.name, modifier, name) ?? this.textColumn(text, name);
  }

  /** The type below all domains, with the modifier that the lowest domain gives it. */
  private rootOf(type: Type): NonNullable<Type["base"]> {
    let base = type.base!;
    for (let next = this.types.get(base.oid)?.base; next; next = this.types.get(base.oid)?.base) base = next;
    return base;
  }

  private textColumn(type: string, name: string): string {
    return `${this.use("pgType")}(${[JSON.stringify(type), name].filter(Boolean).join(", ")})`;
  }

  private builtIn(type: string, modifier: number, name: string): string | undefined {
    const call = (builder: string, options = "") =>
      `${this.use(builder)}(${[name, options].filter(Boolean).join(", ")})`;
    const precision = modifier >= 0 ? [`precision: ${modifier}`] : [];
    const zone = type.endsWith("tz") ? ["withTimezone: true"] : [];
    const options = (...members: string[]) => (members.length === 0 ? "" : `{ ${members.join(", ")} }`);
    const plain = PLAIN[type];
    if (plain) return call(plain);
    switch (type) {
      case "int8":
        return call("bigint", '{ mode: "bigint" }');
      case "numeric":
        return call("numeric", modifier < 4 ? "" : numericOptions(modifier));
      case "varchar":
        return call("varchar", modifier < 4 ? "" : `{ length: ${modifier - 4} }`);
      case "bpchar":
        return modifier < 4 ? undefined : call("char", `{ length: ${modifier - 4} }`);
      case "date":
        return call("date", '{ mode: "string" }');
      case "time":
      case "timetz":
        return call("time", options(...precision, ...zone));
      case "timestamp":
      case "timestamptz":
        return call("timestamp", options(...precision, ...zone, 'mode: "string"'));
      case "interval":
        return modifier < 0 ? call("interval") : undefined;
      default:
        return undefined;
    }
  }

  private enumOf(type: Type): string {
    let constant = this.enums.get(type.oid);
    if (constant === undefined) {
      constant = this.constants.take(`${camelCase(type.name) || "own"}Enum`);
      this.enums.set(type.oid, constant);
      const make = type.schema === "public" ? this.use("pgEnum") : `${this.schema(type.schema)}.enum`;
      this.declarations.push(
        `const ${constant} = ${make}(${JSON.stringify(type.name)}, [${type.labels!.map((label) => JSON.stringify(label)).join(", ")}]);`,
      );
    }
    return constant;
  }

  private defaultOf(column: Column): string {
    const { identity, generated, default: expression } = column;
    if (identity !== "") return identity === "a" ? ".generatedAlwaysAsIdentity()" : ".generatedByDefaultAsIdentity()";
    if (expression === null) return "";
    const value = this.literalOf(column, expression);
    if (generated === "" && value !== undefined) return `.default(${value})`;
    return `.${generated === "" ? "default" : "generatedAlwaysAs"}(${this.use("sql")}${templateOf(expression)})`;
  }

  /** The default as a literal of TypeScript; undefined: PostgreSQL has to compute it. */
  private literalOf({ typeOid }: Column, expression: string): string | undefined {
    const type = this.types.get(typeOid);
    if (type?.schema !== "pg_catalog") return undefined;
    if (type.name === "bool" && /^(true|false)$/.test(expression)) return expression;
    if (/^int[24]$/.test(type.name) && /^(\d{1,9}|'-\d{1,9}'::integer)$/.test(expression))
      return /-?\d+/.exec(expression)![0];
    const [, text] = /^'((?:[^'\\]|'')*)'::(?:text|character varying)$/.exec(expression) ?? [];
    if (text !== undefined && /^(text|varchar)$/.test(type.name)) return JSON.stringify(text.replaceAll("''", "'"));
    return undefined;
  }
}

/** Types whose builder needs no option. */
const PLAIN: Readonly<Record<string, string>> = {
  bool: "boolean",
  cidr: "cidr",
  float4: "real",
  float8: "doublePrecision",
  inet: "inet",
  int2: "smallint",
  int4: "integer",
  json: "json",
  jsonb: "jsonb",
  macaddr: "macaddr",
  macaddr8: "macaddr8",
  text: "text",
  uuid: "uuid",
};

/** The modifier has the precision above 16 bits, and the scale as a signed number of 11 bits. */
function numericOptions(modifier: number): string {
  const precision = ((modifier - 4) >> 16) & 0xffff;
  const scale = (((modifier - 4) & 0x7ff) ^ 1024) - 1024;
  return `{ precision: ${precision}, scale: ${scale} }`;
}

/** A template literal of TypeScript with this text. */
const templateOf = (text: string): string => `\`${text.replace(/[\\`]|\$(?=\{)/g, "\\$&")}\``;
