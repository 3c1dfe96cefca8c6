/** Turns an error of the source's database into an error that a client can act on. Pure. */
import type { PostgresError } from "postgres";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import type { Document } from "../contracts/entity/document.ts";
import { type Violation as InvalidPart, RequestError } from "../contracts/errors.ts";
import { isOutcomeUnknown, isRaised, isReadOnly, isRejected, isUnavailable } from "../platform/postgres/errors.ts";
import { childOf, isSameTable, membersOf, type Violation } from "./violation.ts";

const REJECTED = "the database does not accept this value";
/** Longest text of a rule that a response contains, in characters. */
const MAX_RULE_TEXT = 1_000;
/** SQLSTATE that `lockstep.reject_uncaptured` and `lockstep.require_capture` raise. */
const UNCAPTURED = "LS002";
/** Errors of a policy or of a view's check: PostgreSQL reports them, but the rule is the owner's. */
const POLICY_ROUTINE = "ExecWithCheckOptions";
/** P0001 is what `RAISE` uses by default; 38000 is a function in another language that failed. */
const RULE_CODES = ["P0001", "38000"];
/** SQLSTATEs of a foreign key: a parent is missing, or is still referred to (RESTRICT has a code of its own). */
const REFERENCE_CODES = ["23503", "23001"];
/** The classes of PostgreSQL's own SQLSTATEs (appendix A). Any other class is one that the owner of a rule chose. */
const POSTGRES_CLASSES = /^(0[0-3]|0[89ABFLPZ]|10|2[0-8]|2[BDF]|3[489]|3[BDF]|4[024]|5[34578]|72|[FP]0|HV|XX)/;

/** What is known about the failed statement beside its error. */
export interface FailedWrite {
  /** True when the client can repeat the request to learn its outcome. */
  readonly hasIdempotencyKey?: boolean;
  readonly kind?: "insert" | "update" | "remove";
  /** The members of the request, for pointers into its lists. */
  readonly document?: Document;
  /** Constraint or values that the error is about. */
  readonly violation?: Violation | undefined;
  /** All entities, to name the one that refers to a row. */
  readonly entities?: readonly EntityDeclaration[];
}

/**
 * @returns a RequestError where the client can act: CONFLICT for a unique value that is taken and for a row that
 * another entity refers to, INVALID for a value that the declaration allows and the table does not, with the member
 * where PostgreSQL names it, REJECTED for a rule of the database's owner, with the rule's message, UNAVAILABLE for an
 * unavailable or read-only database. Any other error is a bug and is returned unchanged.
 */
export function explainError(error: unknown, entity: EntityDeclaration, write: FailedWrite = {}): unknown {
  if (isUnavailable(error)) return unavailable(error, write.hasIdempotencyKey ?? false);
  const { code = "" } = error as Partial<PostgresError>;
  if (code === UNCAPTURED) return uncaptured(entity, error);
  const rule = ruleText(error as Partial<PostgresError>);
  if (code === "23505") return uniqueViolation(error as Partial<PostgresError>, entity, write, rule);
  if (REFERENCE_CODES.includes(code) && rule === undefined) {
    const explained = referenceViolation(error as Partial<PostgresError>, entity, write);
    if (explained) return explained;
  }
  // PostgreSQL, appendix A: data exceptions, integrity constraint violations, and a value that is too large for an
  // index.
  if (/^(22|23|54000)/.test(code))
    return new RequestError("INVALID", rule ?? "The database does not accept these values.", {
      violations: violations(error as Partial<PostgresError>, entity, write),
      cause: error,
    });
  if (isOutdated(error as Partial<PostgresError>)) return outdated(entity, error);
  if (rule === undefined) return error;
  return new RequestError("REJECTED", rule, {
    violations: violations(error as Partial<PostgresError>, entity, write),
    cause: error,
  });
}

/** SQLSTATEs of a column, table or type that the gateway's own statement names and the database does not have. */
const OUTDATED_CODES = ["42703", "42P01", "42704", "42804"];

/** True when the declaration does not fit the table any more. An error inside a trigger has a context (`where`). */
const isOutdated = ({ code = "", position, where }: Partial<PostgresError>): boolean =>
  OUTDATED_CODES.includes(code) && position !== undefined && where === undefined;

const outdated = (entity: EntityDeclaration, cause: unknown): RequestError =>
  new RequestError(
    "UNAVAILABLE",
    `The table of this ${entity.name} differs from its declaration. Nothing was changed. Adapt one of them; \`lockstep ` +
      "doctor` names the difference.",
    { cause },
  );

/** Changes of the entity bypass the outbox. @param cause the error of the statement that noticed it. */
export function uncaptured(entity: EntityDeclaration, cause?: unknown): RequestError {
  return new RequestError(
    "CAPTURE_INCOMPLETE",
    `The database does not capture changes of this ${entity.name}, so no replica would get them. Nothing was changed.`,
    { cause },
  );
}

/** @param members whose values are taken; empty: not known. @param rule text of a rule that says so. */
export function conflict(
  entity: EntityDeclaration,
  members: readonly string[],
  { rule, cause }: { readonly rule?: string | undefined; readonly cause?: unknown } = {},
): RequestError {
  return new RequestError(
    "CONFLICT",
    rule ?? `Another ${entity.name} already has this ${listed(members) || "value"}.`,
    {
      violations: members.map((member) => ({ pointer: `/${member}`, detail: "is taken" })),
      cause,
    },
  );
}

const listed = (members: readonly string[]): string => members.join(" and ");

function uniqueViolation(
  error: Partial<PostgresError>,
  entity: EntityDeclaration,
  { violation, document = {} }: FailedWrite,
  rule: string | undefined,
): RequestError {
  const named = entity.constraints[error.constraint_name ?? ""];
  const [list, child] = (violation && childOf(entity, violation.table)) ?? [];
  if (violation && list && child) {
    const members = membersOf(child.fields, violation.columns).filter((member) => !child.parentKey.includes(member));
    return new RequestError(
      "CONFLICT",
      rule ?? `Another of the ${list} already has this ${listed(members) || "value"}.`,
      {
        violations: pointersToLines(error, list, members, document).map((pointer) => ({ pointer, detail: "is taken" })),
        cause: error,
      },
    );
  }
  const isOwn = violation && isSameTable(violation.table, entity.table);
  const members = isOwn ? membersOf(entity.fields, violation.columns) : named?.kind === "unique" ? named.members : [];
  return conflict(entity, members, { rule, cause: error });
}

/** @returns undefined for a foreign key of a table that no entity declares: nothing is known about it. */
function referenceViolation(
  error: Partial<PostgresError>,
  entity: EntityDeclaration,
  { kind, violation, document = {}, entities = [] }: FailedWrite,
): RequestError | undefined {
  if (!violation) return undefined;
  const { table, columns } = violation;
  const isOwn = isSameTable(table, entity.table);
  const [list, child] = childOf(entity, table) ?? [];
  if (kind !== "remove" && (isOwn || child)) {
    const fields = child?.fields ?? entity.fields;
    const all = membersOf(fields, columns);
    const declared = all.filter((member) => !child && member in entity.references);
    const members = declared.length > 0 ? declared : all;
    const parent = entity.references[members[0] ?? ""]?.entity;
    const detail = parent ? `there is no ${parent} with this value` : "there is no row with this value";
    const pointers = list ? pointersToLines(error, list, members, document) : members.map((member) => `/${member}`);
    return new RequestError("INVALID", `The ${entity.name} refers to what does not exist.`, {
      violations: pointers.map((pointer) => ({ pointer, detail })),
      cause: error,
    });
  }
  const referring = entities.find((other) => isSameTable(other.table, table) || childOf(other, table));
  if (!referring) return undefined;
  const other = referring.name === entity.name ? `another ${entity.name}` : `at least one ${referring.name}`;
  return new RequestError(
    "CONFLICT",
    `This ${entity.name} is referred to by ${other}. Change or delete what refers to it first.`,
    { cause: error },
  );
}

/** The values in `Key (product_id)=(42)`. PostgreSQL translates the words of this text, not its form. */
const KEY_DETAIL = /\((?<columns>[^()]*)\)=\((?<values>.*?)\)/;

/** Pointers to the members of the lines that have the value which the error names; to the list when none has it. */
function pointersToLines(
  { detail = "" }: Partial<PostgresError>,
  list: string,
  members: readonly string[],
  document: Document,
): string[] {
  const values = KEY_DETAIL.exec(detail)?.groups?.values?.split(", ") ?? [];
  const lines = (document[list] ?? []) as readonly Document[];
  const [member] = members;
  if (member === undefined || !Array.isArray(lines)) return [`/${list}`];
  const found = lines.flatMap((line, i) => (values.includes(String(line[member])) ? [`/${list}/${i}/${member}`] : []));
  return found.length > 0 ? found : [`/${list}`];
}

/**
 * The text for the client of an error that a rule of the database's owner raised: its message and its hint. Undefined
 * for an error of PostgreSQL itself, whose text may name tables and functions.
 */
function ruleText(error: Partial<PostgresError>): string | undefined {
  if (!isRejected(error)) return undefined;
  const { code = "", message = "", hint } = error;
  if (error.routine === POLICY_ROUTINE) return "A policy of the database does not accept this row.";
  if (!isRaised(error) && !RULE_CODES.includes(code) && POSTGRES_CLASSES.test(code)) return undefined;
  return (hint ? `${message} (${hint})` : message).slice(0, MAX_RULE_TEXT);
}

/** The members that PostgreSQL's error is about. Empty: it names none. */
function violations(
  { constraint_name: constraint, column_name: column, [DOMAIN]: domain }: DomainError,
  entity: EntityDeclaration,
  { violation }: FailedWrite,
): InvalidPart[] {
  const { fields, table } = entity;
  const invalid = (pointers: readonly string[]) => pointers.map((pointer) => ({ pointer, detail: REJECTED }));
  const [list] = (violation && childOf(entity, violation.table)) ?? [];
  if (list) return invalid([`/${list}`]);
  if (violation && violation.columns.length > 0 && isSameTable(violation.table, table))
    return invalid(membersOf(fields, violation.columns).map((member) => `/${member}`));
  const named = Object.keys(fields).find(
    (member) => column === fields[member]!.column || constraint === `${table.name}_${fields[member]!.column}_check`,
  );
  if (named) return invalid([`/${named}`]);
  const ofDomain = Object.keys(fields).filter(
    (member) => domain !== undefined && fields[member]!.type.replace(/^.*\./, "") === domain,
  );
  return ofDomain.length === 1 ? invalid([`/${ofDomain[0]}`]) : [];
}

/** Where postgres.js has the name of the domain whose check failed. */
const DOMAIN = "data type_name";
type DomainError = Partial<PostgresError> & { readonly [DOMAIN]?: string };

function unavailable(error: unknown, hasIdempotencyKey: boolean): RequestError {
  const advice = hasIdempotencyKey
    ? "Repeat the request with the same Idempotency-Key."
    : "Read the entity before you repeat the request.";
  const state = isReadOnly(error) ? "read-only" : "unavailable or overloaded";
  return new RequestError(
    "UNAVAILABLE",
    `The database is ${state}. ${
      isOutcomeUnknown(error)
        ? `It is not known whether the request was carried out. ${advice}`
        : "Nothing was changed. Try again."
    }`,
    { cause: error },
  );
}
