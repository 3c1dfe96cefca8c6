/** Declarations as text: those of a new entity, and what a new replica adds to those that exist. Pure. */

/** A new entity. */
export interface NewEntity {
  /** `customer`, `orderLine`. */
  readonly name: string;
  readonly plural: string;
  readonly replicas: readonly string[];
}

/** English plurals of most nouns: `customer` → `customers`, `category` → `categories`. */
export function pluralOf(name: string): string {
  if (/[^aeiou]y$/.test(name)) return `${name.slice(0, -1)}ies`;
  return /(s|x|z|ch|sh)$/.test(name) ? `${name}es` : `${name}s`;
}

/** `orderLine` → `order-line`. */
export const fileNameOf = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Name of the constant with an entity: `order-line` → `orderLine`. */
export const constantOf = (name: string): string =>
  name.replace(/[-_]+([A-Za-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** A declaration to begin with: one field of its own, and all columns that Lockstep can set. */
export function declarationText({ name, plural, replicas }: NewEntity): string {
  const constant = constantOf(name);
  const rows = constantOf(plural) === constant ? `${constant}Rows` : constantOf(plural);
  const kept = replicas.map((replica) => (/^[A-Za-z_]\w*$/.test(replica) ? `${replica}: {}` : `"${replica}": {}`));
  return `/** ${/^[aeiou]/.test(name) ? "An" : "A"} ${name}. Add its fields here, then run \`lockstep generate\`. */
import { bigint, defineEntity, pgTable, sql, text, timestamp, uuid } from "lockstep";

const time = (column: string) => timestamp(column, { precision: 3, withTimezone: true, mode: "string" }).notNull();

const ${rows} = pgTable("${plural.replace(/-/g, "_").replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}", {
  id: uuid().primaryKey().default(sql\`uuidv7()\`),
  name: text().notNull(),
  createdAt: time("created_at"),
  updatedAt: time("updated_at"),
  version: bigint({ mode: "number" }).notNull(),
});

export const ${constant} = defineEntity(${rows}, {
  name: "${name}",
  plural: "${plural}",
  version: "version",
  createdAt: "createdAt",
  updatedAt: "updatedAt",
  rules: { name: (name) => name.min(1).max(200) },
  example: { name: "Example" },
  replicas: { ${kept.join(", ")} },
});
`;
}

/**
 * Adds an entity to the text of a project's file.
 *
 * @returns undefined when it is not clear where it belongs.
 */
export function withEntity(text: string, name: string, file: string): string | undefined {
  const constant = constantOf(name);
  const list = /\bentities:\s*\[/.exec(text);
  if (!list) return undefined;
  const close = closingBracket(text, list.index + list[0].length - 1);
  if (close === undefined) return undefined;
  const inside = text.slice(list.index + list[0].length, close).trimEnd();
  const separator = inside.trim() === "" ? "" : inside.endsWith(",") ? " " : ", ";
  const listed = `${text.slice(0, list.index + list[0].length)}${inside}${separator}${constant}${text.slice(close)}`;
  const imports = [...listed.matchAll(/^(?:import\b|\} from\b).*;[ \t]*\n/gm)].at(-1);
  const at = imports ? imports.index + imports[0].length : 0;
  return `${listed.slice(0, at)}import { ${constant} } from "./${file}";\n${listed.slice(at)}`;
}

/**
 * Adds a replica to the declaration of an entity.
 *
 * @returns undefined when the text does not declare the entity, or has no plain list of replicas.
 */
export function withReplica(text: string, entity: string, replica: string): string | undefined {
  const declaration = new RegExp(`\\bname:\\s*["']${entity}["']`).exec(text);
  if (!declaration || !text.includes("defineEntity(")) return undefined;
  const list = /\breplicas:\s*\{/g;
  list.lastIndex = declaration.index;
  const found = list.exec(text);
  const open = found && found.index + found[0].length - 1;
  const close = open === null ? undefined : closingBracket(text, open);
  if (open === null || close === undefined) return undefined;
  const key = /^[A-Za-z_]\w*$/.test(replica) ? replica : `"${replica}"`;
  const inside = text.slice(open + 1, close).trimEnd();
  const isLong = inside.includes("\n");
  const separator = inside.trim() === "" || inside.endsWith(",") ? "" : ",";
  const end = isLong ? `\n${/\n( +)\S[^\n]*$/.exec(inside)?.[1] ?? "    "}${key}: {},\n  ` : ` ${key}: {} `;
  return `${text.slice(0, open + 1)}${inside}${separator}${end}${text.slice(close)}`;
}

/** Position of the bracket that closes the one at `open`. Texts and comments may have brackets of their own. */
function closingBracket(text: string, open: number): number | undefined {
  let depth = 0;
  const tokens = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|[([{]|[)\]}]/g;
  tokens.lastIndex = open;
  for (let token = tokens.exec(text); token; token = tokens.exec(text)) {
    if (/^[([{]$/.test(token[0])) depth++;
    else if (/^[)\]}]$/.test(token[0]) && --depth === 0) return token.index;
  }
  return undefined;
}
