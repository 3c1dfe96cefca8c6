/** Writes docs/build/declarations.md from the docblocks of what a project's declarations import. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

const repository = join(import.meta.dirname, "../..");
const read = (path: string): string => readFileSync(join(repository, path), "utf8");

/** A member or constant, and what its docblock says. */
interface Described {
  readonly name: string;
  readonly text: string;
}

/** One line of text of a docblock. Its tags follow the text; links become names. */
function textOf(docblock: string): string {
  const text = docblock
    .replace(/^\s*\*? ?/gm, "")
    .replace(/@(example|see|typeParam|returns|throws)\b[\s\S]*?(?=\n@|$)/g, "")
    .replace(/@param (\S+) /g, "`$1`: ")
    .replace(/\{@link (?:\w+\.)?(\w+)\}/g, "`$1`")
    .replace(/\s+/g, " ")
    .trim();
  return text.replaceAll("|", "\\|");
}

/** The example of a docblock. */
const exampleOf = (docblock: string): string =>
  docblock
    .replace(/^\s*\*? ?/gm, "")
    .match(/@example ([\s\S]*?)(?=\n@|$)/)?.[1]
    ?.trim() ?? "";

const DOCBLOCK = String.raw`\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*`;

/** Members of an interface that have a docblock, those of Lockstep itself left out. */
function membersOf(file: string, name: string): Described[] {
  const text = read(file);
  const start = text.search(new RegExp(`^export interface ${name}\\b`, "m"));
  if (start < 0) throw new Error(`${file} has no interface ${name}`);
  const body = text.slice(start, text.indexOf("\n}", start));
  return [...body.matchAll(new RegExp(`${DOCBLOCK}readonly (\\w+)\\??:`, "g"))]
    .map(([, docblock, member]) => ({ name: member!, text: textOf(docblock!) }))
    .filter((member) => member.name !== "internal");
}

/** Functions that a module exports, by their docblocks. */
function exportsOf(file: string, names: readonly string[]): (Described & { readonly example: string })[] {
  const text = read(file);
  return names.map((name) => {
    const found = new RegExp(`${DOCBLOCK}export (?:const|function|type) ${name}\\b`).exec(text);
    if (!found) throw new Error(`${file} has no docblock of ${name}`);
    return { name, text: textOf(found[1]!), example: exampleOf(found[1]!) };
  });
}

/** Members of a constant object; those without a docblock have the text of the object. */
function keysOf(file: string, name: string): Described[] {
  const text = read(file);
  const found = new RegExp(`${DOCBLOCK}export const ${name} = \\{\\n([\\s\\S]*?)\\n\\}`).exec(text);
  if (!found) throw new Error(`${file} has no object ${name}`);
  return [...found[2]!.matchAll(new RegExp(`(?:${DOCBLOCK})?^ {2}(\\w+)(?=[:,])`, "gm"))].map(
    ([, docblock, member]) => ({ name: `${name}.${member}`, text: docblock === undefined ? "" : textOf(docblock) }),
  );
}

const table = (head: string, rows: readonly Described[]): string =>
  [`| ${head} | meaning |`, "|---|---|", ...rows.map(({ name, text }) => `| \`${name}\` | ${text} |`)].join("\n");

const withExample = ({ name, text, example }: Described & { readonly example: string }): Described => ({
  name,
  text: example === "" ? text : `${text} Example: \`${example.replace(/\s+/g, " ")}\``,
});

const OPTIONS = "contracts/entity/entity-options.ts";

/** The text of the page. */
export function declarationsPage(): string {
  return `# Declarations

<!-- Written by \`bun run declarations-page\` from the docblocks in contracts/. -->

What \`import … from "lockstep"\` has for a project's files. The compiler shows the same texts, and checks all names of
members. [Your first entity](first-entity.md) shows them in use.

## Entities

${table("`defineEntity(table, …)`", membersOf(OPTIONS, "EntityOptions"))}

A contradiction in a declaration stops every process at its start, with the names of entity and member.

## Replicas

${table("in `replicas: { NAME: … }`", membersOf(OPTIONS, "ReplicaOptions"))}

Derived members, \`derive: { inStock: field.boolean((product) => product.stock > 0) }\`:

${table("`derive`", keysOf("contracts/entity/derive.ts", "field"))}

Masks ([how](masks.md)), \`mask: { phone: mask.keepLast(4) }\`:

${table("`mask`", keysOf("contracts/entity/mask.ts", "mask"))}

What \`onApplied\` gets ([how](on-applied.md)):

${table("`AppliedChange`", membersOf("contracts/entity/declaration.ts", "AppliedChange"))}

## Columns

Drizzle's columns and tables have their own names: \`pgTable\`, \`pgSchema\`, \`pgEnum\`, \`uuid\`, \`text\`, \`numeric\`, \`jsonb\`
and others. [Values in documents](../commands.md#an-entity-of-your-own) lists the types. Beside them:

${table("function", exportsOf("contracts/entity/columns.ts", ["pgType", "pgDomain"]).map(withExample))}

Rules of values, \`rules: { name: (name) => name.min(1) }\`, get the zod schema of the column's type:

${table("function", exportsOf("contracts/entity/rules.ts", ["distinct", "items"]).map(withExample))}

## Documents of several tables

${table("function", exportsOf("contracts/entity/define-entity.ts", ["aggregate", "child"]).map(withExample))}

## Types

${table("type", exportsOf(OPTIONS, ["Infer", "InferInput"]).map(withExample))}

## Projects

${table("`defineProject(…)`", membersOf("contracts/project.ts", "ProjectOptions"))}
`;
}
