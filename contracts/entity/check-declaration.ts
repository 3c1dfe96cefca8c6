/** Rules of a declaration that the compiler cannot check. */
import type { EntityDeclaration } from "./declaration.ts";
import { parseType } from "./type-name.ts";

/**
 * Checks a declaration without its replicas.
 *
 * @throws {Error} for a contradiction; the message names the entity and the member.
 */
export function checkEntity(entity: EntityDeclaration, hidden: readonly string[]): void {
  const { name, plural, fields, children, table } = entity;
  const fail = (problem: string): never => {
    throw new Error(`entity ${name}: ${problem}`);
  };
  if (!/^[a-z][A-Za-z0-9_-]*$/.test(name)) fail("its name begins with a small letter and has letters, digits, - and _");
  if (!/^[A-Za-z][A-Za-z0-9_-]*$/.test(plural))
    fail(
      `plural ${JSON.stringify(plural)} must have only letters, digits, - and _, since it is a part of URLs; name a \`plural\``,
    );
  for (const member of [...Object.keys(fields), ...Object.keys(children)])
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(member) || member === "__proto__")
      fail(`field ${member} must have only letters, digits and _, and begin with a letter`);
  for (const member of [...hidden, ...entity.unique, ...Object.keys(entity.references)])
    if (!(member in fields)) fail(`${member} is not declared`);
  for (const member of Object.keys(children))
    if (Object.values(fields).some(({ column }, i) => column === member || Object.keys(fields)[i] === member))
      fail(`child ${member} has the name of a column; choose another name`);
  if (entity.key.length === 0)
    fail(
      `table ${table.name} declares no primary key; add primaryKey() to it, or to a column with unique, not null values`,
    );
  checkKey(entity, fail);
  checkOwnMembers(entity, hidden, fail);
  checkChildren(entity, fail);
}

type Fail = (problem: string) => never;

/** Types whose values have one canonical text (key.ts). */
const KEY_TYPES = new Set([
  "bigint",
  "boolean",
  "bytea",
  "character",
  "character varying",
  "cidr",
  "citext",
  "date",
  "inet",
  "integer",
  "numeric",
  "smallint",
  "text",
  "time without time zone",
  "timestamp with time zone",
  "timestamp without time zone",
  "uuid",
]);

function checkKey({ key, fields }: EntityDeclaration, fail: Fail): void {
  for (const member of key) {
    const field = fields[member]!;
    const { name, dimensions } = parseType(field.baseType ?? field.type);
    if (field.private) fail(`${member} belongs to the key and cannot be private; ids are in every URL and log`);
    const isEnum = field.kind === "enum";
    if (dimensions > 0 || (!isEnum && !KEY_TYPES.has(name.replace(/^.*\.(?=citext$)/, ""))))
      fail(`${member} belongs to the key and has the type ${field.type}, whose values have no canonical text`);
  }
}

function checkOwnMembers(entity: EntityDeclaration, hidden: readonly string[], fail: Fail): void {
  const { version, createdAt, updatedAt, fields } = entity;
  const expected = {
    version: [version, "bigint"],
    createdAt: [createdAt, TIME],
    updatedAt: [updatedAt, TIME],
  } as const;
  for (const [option, [member, type]] of Object.entries(expected)) {
    if (member === undefined) continue;
    const field = fields[member] ?? fail(`${option} names ${member}, which is not declared`);
    if (parseType(field.type).name !== type)
      fail(`${option} names ${member} of type ${field.type}; it must be ${type}`);
    if (field.nullable) fail(`${option} names ${member}, which allows null; add notNull()`);
    if (hidden.includes(member)) fail(`${member} cannot be private, since Lockstep sets it for all replicas`);
  }
}
const TIME = "timestamp with time zone";

function checkChildren({ children, key, fields }: EntityDeclaration, fail: Fail): void {
  for (const [member, child] of Object.entries(children)) {
    if (child.parentKey.length !== key.length)
      fail(
        `child ${member}: parentKey has ${child.parentKey.length} members, the key ${key.join(", ")} has ${key.length}`,
      );
    for (const name of [...child.parentKey, ...child.key])
      if (!(name in child.fields)) fail(`child ${member}: ${name} is not declared`);
    key.forEach((own, i) => {
      const parent = child.fields[child.parentKey[i]!]!;
      if (parent.kind !== fields[own]!.kind)
        fail(
          `child ${member}: ${child.parentKey[i]} has the type ${parent.type}, the key's ${own} has ${fields[own]!.type}`,
        );
    });
  }
}

/** @throws {Error} when an upcaster is missing, or one is declared for a version that needs none. */
export function checkUpcasters({ name, schemaVersion, upcasters = {}, replicas }: EntityDeclaration): void {
  if (!Number.isSafeInteger(schemaVersion) || schemaVersion < 1)
    throw new Error(`entity ${name}: schemaVersion ${schemaVersion} must be a whole number of at least 1`);
  for (let version = 1; version < schemaVersion; version++)
    if (!upcasters[version])
      throw new Error(
        `entity ${name}: schema version ${version} has no upcaster; the log has its events (docs/schema-changes.md)`,
      );
  const versions = [upcasters, ...replicas.flatMap((r) => [r.upcasters ?? {}, r.placeholders ?? {}])].flatMap(
    Object.keys,
  );
  for (const version of versions)
    if (!(Number(version) >= 1 && Number(version) < schemaVersion))
      throw new Error(
        `entity ${name}: an upcaster or placeholder names schema version ${version}, ` +
          `but only versions below ${schemaVersion} need one`,
      );
}
