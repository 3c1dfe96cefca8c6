/**
 * One declaration per entity. HTTP validation, event validation, routing, table columns and cache lifetimes all follow
 * from it; nothing else in Lockstep names a field of an entity.
 */
import { z } from "zod";
import { type Fits, fitsInteger, fitsList, fitsObject, fitsPattern, fitsText } from "./fits.ts";

/** A counter that the source raises by one with each committed write of an entity; the first write is version 1. */
export type Version = number;

/** UUID of an entity, lower case. The gateway makes UUIDv7 (RFC 9562); plain SQL may bring any UUID. */
export type EntityId = string;
/** The form of every id: a UUID as PostgreSQL writes it, in lower case (RFC 9562). */
export const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** What an entity looks like outside a database: camelCase members with JSON values. */
export type Document = Record<string, unknown>;

/** One field of an entity: how it is validated in a document, and how it is read from a column. */
export interface Field {
  /** Validates the document's value; nothing is coerced. */
  readonly schema: z.ZodType;
  /** The same judgement where it is quick to make: what it holds for, the schema takes. */
  readonly fits: Fits;
  /** True for fields that no replica may ever see unless it names them. */
  readonly private: boolean;
  /** Value of a new entity that does not say. Undefined: the field is required. */
  readonly initial?: unknown;
  /** The value in a document for a column's value, as PostgreSQL's `to_jsonb` gives it. */
  readonly fromColumn: (value: unknown) => unknown;
}

/**
 * Makes a document of the next schema version out of one of the version before. Pure: the same document always gives the same
 * result, with the same id, version and times, and from values that the document has itself.
 */
export type Upcaster = (document: Document) => Document;

/** By the schema version that is read: 1 makes version 2. */
export type Upcasters = Readonly<Record<number, Upcaster>>;

/** What a replica keeps of an entity. Every decision is a function of the document alone, so that a replay decides the same. */
export interface ReplicaDeclaration {
  readonly name: string;
  /** Only entities for which this holds are in the replica; one that stops matching is removed there (P5). */
  readonly filter: (document: Document) => boolean;
  /** Fields of the replica's documents and columns, by name. */
  readonly fields: Readonly<Record<string, Field>>;
  /** The replica's document for the source's one, without the members that every document has; put into `into` if it is given. */
  readonly project: (document: Document, into?: Document) => Document;
  /** How long a cached document lives without being read from PostgreSQL again, in seconds. */
  readonly cacheTtlSeconds: number;
  /**
   * Upcasters of what the replica was sent, for versions at which the entity's own cannot do: a projection lacks members. What is on
   * its way to the replica, and what a rebuild reads, was projected by an earlier version.
   */
  readonly upcasters?: Upcasters;
  /**
   * By schema version: members that were not in that version's projection and cannot be had from it, so that an upcaster can only put
   * something harmless in their place until the entities are sent again (docs/schema-changes.md).
   */
  readonly placeholders?: Readonly<Record<number, readonly string[]>>;
}

export interface EntityDeclaration {
  /** Singular, as in event types: `product`. */
  readonly name: string;
  /** Plural: the table, the HTTP collection and the prefix of the topics: `products`. */
  readonly plural: string;
  /**
   * True for an entity of Lockstep itself (the canary). Relay, stream and replicas process it; HTTP routes, lists,
   * commands, dead-letter counts and the metrics of user entities leave it out. Default: false.
   */
  readonly internal?: boolean;
  /** Version of the document's shape, sent with each event; raised with each change of `fields` or of what a replica has. */
  readonly schemaVersion: number;
  /** One for each version below `schemaVersion`: retained events and events under way are read through them. */
  readonly upcasters?: Upcasters;
  readonly fields: Readonly<Record<string, Field>>;
  /** Fields whose value no two entities of the source may share. */
  readonly unique: readonly string[];
  readonly replicas: readonly ReplicaDeclaration[];
  /** A document that a person may begin with, as a client would send it; where no two may share a value, another one is put there. */
  readonly example?: Document;
}

type FieldOptions = { initial?: unknown; private?: boolean };

const field = (
  schema: z.ZodType,
  fits: Fits,
  options: FieldOptions,
  fromColumn: (value: unknown) => unknown = (v) => v,
): Field => ({
  schema,
  fits,
  private: options.private ?? false,
  ...("initial" in options ? { initial: options.initial } : {}),
  fromColumn,
});

/** What PostgreSQL can store as text: it has no U+0000, and UTF-8 has no half of a surrogate pair, which JSON can spell. */
const isStorable = (value: string): boolean => !value.includes("\u0000") && value.isWellFormed();
const UNSTORABLE = "must not contain U+0000 or half of a surrogate pair";

/** Names the rules of a schema that its JSON Schema cannot show, for the recorded declaration: a change of a rule is a new name. */
const rules = (...names: readonly string[]) => ({ rules: names });

/** Text of `min` to `max` characters, of a given pattern if there is one. */
export const text = (options: FieldOptions & { min?: number; max: number; pattern?: RegExp }): Field =>
  field(
    z
      .string()
      .min(options.min ?? 0)
      .max(options.max)
      .regex(options.pattern ?? /^/)
      .refine(isStorable, UNSTORABLE)
      .meta(rules("storable")),
    fitsText(options.min ?? 0, options.max, options.pattern),
    options,
  );

/** A decimal number as a string with exactly `scale` decimals, 0 or greater, below 10^10: money must not pass through binary floats. */
export const decimal = (options: FieldOptions & { scale: number }): Field => {
  const pattern = new RegExp(`^(0|[1-9]\\d{0,9})\\.\\d{${options.scale}}$`);
  return field(
    z.string().regex(pattern, { error: `must be a string like "${(19.9).toFixed(options.scale)}"` }),
    fitsPattern(pattern),
    options,
    // numeric(12, scale) has at most 12 digits, which a double holds exactly enough to print them again.
    (value) => (typeof value === "number" ? value.toFixed(options.scale) : value),
  );
};

/** A whole number from `min` to `max`. */
export const integer = (options: FieldOptions & { min: number; max: number }): Field =>
  field(z.int().min(options.min).max(options.max), fitsInteger(options.min, options.max), options);

export const boolean = (options: FieldOptions = {}): Field =>
  field(z.boolean(), (value) => typeof value === "boolean", options);

/** One of a closed list of words. */
export const oneOf = (values: readonly [string, ...string[]], options: FieldOptions = {}): Field =>
  field(z.enum(values), (value) => values.includes(value as string), options);

/** A list of up to `maxItems` texts of 1 to `maxLength` characters, without duplicates. */
export const texts = (options: FieldOptions & { maxItems: number; maxLength: number }): Field =>
  field(
    z
      .array(z.string().min(1).max(options.maxLength).refine(isStorable, UNSTORABLE).meta(rules("storable")))
      .max(options.maxItems)
      .refine((list) => new Set(list).size === list.length, "must not name a value twice")
      .meta(rules("no value twice")),
    fitsList(options.maxItems, fitsText(1, options.maxLength)),
    options,
  );

const IN_UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/;

/** ISO 8601 in UTC with milliseconds, whatever the session's time zone made of it. */
const timestamp = field(z.iso.datetime(), fitsPattern(z.regexes.datetime({})), {}, (value) => {
  if (typeof value !== "string") return value;
  if (IN_UTC.test(value)) return `${value.slice(0, 23)}Z`; // nearly all; reading and writing it would take ten times as long
  return Number.isNaN(Date.parse(value)) ? value : new Date(value).toISOString();
});

/** The members that every document has beside its declared fields. A client never writes them. */
export const systemFields = {
  // Any UUID that PostgreSQL takes, also one of no RFC 9562 version: plain SQL may bring it.
  id: field(z.guid(), fitsPattern(z.regexes.guid), {}),
  version: field(z.int().min(1), fitsInteger(1, Number.MAX_SAFE_INTEGER), {}),
  createdAt: timestamp,
  updatedAt: timestamp,
} as const;

/** Declares an entity. @throws {Error} when the declaration contradicts itself; the process then never starts. */
export function defineEntity(declaration: EntityDeclaration): EntityDeclaration {
  const { name, fields, replicas, unique } = declaration;
  for (const key of Object.keys(fields)) {
    if (key in systemFields)
      throw new Error(`entity ${name}: ${key} is a member of every document; name the field otherwise`);
    if (!/^[a-z][A-Za-z0-9]*$/.test(key)) throw new Error(`entity ${name}: field ${key} must be camelCase`);
  }
  for (const key of unique)
    if (!(key in fields)) throw new Error(`entity ${name}: unique field ${key} is not declared`);
  const names = replicas.map((r) => r.name);
  if (new Set(names).size !== names.length) throw new Error(`entity ${name}: two replicas share a name`);
  checkUpcasters(declaration);
  return declaration;
}

function checkUpcasters({ name, schemaVersion, upcasters = {}, replicas }: EntityDeclaration): void {
  if (!Number.isSafeInteger(schemaVersion) || schemaVersion < 1)
    throw new Error(`entity ${name}: schemaVersion must be a whole number from 1`);
  for (let version = 1; version < schemaVersion; version++)
    if (!upcasters[version])
      throw new Error(
        `entity ${name}: no upcaster reads schema version ${version}; events of it are still in the log (docs/schema-changes.md)`,
      );
  const given = [upcasters, ...replicas.flatMap((r) => [r.upcasters ?? {}, r.placeholders ?? {}])].flatMap(Object.keys);
  for (const version of given)
    if (!(Number(version) >= 1 && Number(version) < schemaVersion))
      throw new Error(`entity ${name}: there is nothing to upcast from version ${version} to ${schemaVersion}`);
}

/**
 * Declares what one replica keeps: by default all fields that are not private.
 *
 * @param options.only names the fields to keep (a private one must be named here to be sent);
 * @param options.without leaves out some of the default; @param options.derived adds fields computed from the document.
 * @param options.upcasters @param options.placeholders as {@link ReplicaDeclaration} has them.
 */
export function defineReplica(
  fields: EntityDeclaration["fields"],
  options: {
    name: string;
    filter?: (document: Document) => boolean;
    only?: readonly string[];
    without?: readonly string[];
    derived?: Readonly<Record<string, { field: Field; from: (document: Document) => unknown }>>;
    cacheTtlSeconds?: number;
    upcasters?: Upcasters;
    placeholders?: Readonly<Record<number, readonly string[]>>;
  },
): ReplicaDeclaration {
  const open = Object.keys(fields).filter((key) => !fields[key]!.private);
  const kept = (options.only ?? open).filter((key) => !options.without?.includes(key));
  for (const key of [...kept, ...(options.without ?? [])])
    if (!(key in fields)) throw new Error(`replica ${options.name}: field ${key} is not declared`);
  const derived = Object.entries(options.derived ?? {});
  return {
    name: options.name,
    filter: options.filter ?? (() => true),
    fields: Object.fromEntries([...kept.map((k) => [k, fields[k]!]), ...derived.map(([k, d]) => [k, d.field])]),
    project: (document, projected = {}) => {
      for (const member of kept) projected[member] = document[member];
      for (const [member, { from }] of derived) projected[member] = from(document);
      return projected;
    },
    cacheTtlSeconds: options.cacheTtlSeconds ?? 3600,
    ...(options.upcasters ? { upcasters: options.upcasters } : {}),
    ...(options.placeholders ? { placeholders: options.placeholders } : {}),
  };
}

const columns = new Map<string, string>();

/** `createdAt` → `created_at`. */
export function columnOf(member: string): string {
  let column = columns.get(member);
  if (column === undefined) {
    column = member.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    // Documents name declared members only, so this stays as small as the declarations.
    columns.set(member, column);
  }
  return column;
}

type Member = readonly [member: string, column: string, fromColumn: Field["fromColumn"]];
const members = new WeakMap<Readonly<Record<string, Field>>, readonly Member[]>();

/** Every member of a document with these fields, in the order that a document has them in. */
function membersOf(fields: Readonly<Record<string, Field>>): readonly Member[] {
  let found = members.get(fields);
  if (!found) {
    const { id, version, ...times } = systemFields;
    const all = Object.entries({ id, ...fields, ...times, version });
    found = all.map(([member, { fromColumn }]) => [member, columnOf(member), fromColumn] as const);
    members.set(fields, found);
  }
  return found;
}

/** A document for a row, as `to_jsonb(row)` gives it. Columns that are not declared are left out; nothing is validated. */
export function documentOf(fields: Readonly<Record<string, Field>>, row: Record<string, unknown>): Document {
  const document: Document = {};
  for (const [member, column, fromColumn] of membersOf(fields)) document[member] = fromColumn(row[column] ?? null);
  return document;
}

/** A document as {@link documentOf} gives it of its row: the declared members, in their order. */
export function inOrder(fields: Readonly<Record<string, Field>>, document: Document): Document {
  const ordered: Document = {};
  for (const [member, , fromColumn] of membersOf(fields)) ordered[member] = fromColumn(document[member] ?? null);
  return ordered;
}

/** The row for a document: the same values under their columns' names. */
export function rowOf(document: Document): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  for (const member in document) row[columnOf(member)] = document[member];
  return row;
}

const shapeOf = (fields: Readonly<Record<string, Field>>) =>
  Object.fromEntries(Object.entries(fields).map(([member, f]) => [member, f.schema]));

/** Schema of a whole document as an event carries it; unknown members are refused. */
export const documentSchema = (entity: Pick<EntityDeclaration, "fields">): z.ZodObject =>
  z.strictObject(shapeOf({ ...systemFields, ...entity.fields }));

/** Quick check of a whole document: what it holds for, {@link documentSchema} takes, unchanged. */
export const fitsDocument = ({ fields }: Pick<EntityDeclaration, "fields">): Fits =>
  fitsObject({ ...systemFields, ...fields });

/** Schema of what a client sends to create or replace an entity: fields with an `initial` value may be missing. */
export const inputSchema = (entity: EntityDeclaration): z.ZodObject =>
  z.strictObject(
    Object.fromEntries(
      Object.entries(entity.fields).map(([member, f]) => [
        member,
        "initial" in f ? f.schema.default(() => structuredClone(f.initial) as never) : f.schema,
      ]),
    ),
  );

/** Schema of a JSON merge patch (RFC 7396): any subset of the fields; null puts a field back to its initial value. */
export const patchSchema = (entity: EntityDeclaration): z.ZodObject =>
  z.strictObject(
    Object.fromEntries(
      Object.entries(entity.fields).map(([member, f]) => [
        member,
        ("initial" in f
          ? f.schema.nullable().transform((v) => (v === null ? structuredClone(f.initial) : v))
          : f.schema
        ).optional(),
      ]),
    ),
  );
