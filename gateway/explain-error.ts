/** Turns an error of the source's database into an error that a client can act on. */
import type { PostgresError } from "postgres";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { RequestError, type Violation } from "../contracts/errors.ts";
import { isOutcomeUnknown, isRaised, isReadOnly, isRejected, isUnavailable } from "../platform/postgres/errors.ts";
import { uniqueConstraintOf } from "./statements/index.ts";

const REJECTED = "the database does not accept this value";
/** Longest text of a rule that a response contains, in characters. */
const MAX_RULE_TEXT = 1_000;
/** SQLSTATE that `lockstep.reject_uncaptured` raises. */
const UNCAPTURED = "LS002";
/** Errors of a policy or of a view's check: PostgreSQL reports them, but the rule is the owner's. */
const POLICY_ROUTINE = "ExecWithCheckOptions";
/** P0001 is what `RAISE` uses by default; 38000 is a function in another language that failed. */
const RULE_CODES = ["P0001", "38000"];
/** The classes of PostgreSQL's own SQLSTATEs (appendix A). Any other class is one that the owner of a rule chose. */
const POSTGRES_CLASSES = /^(0[0-3]|0[89ABFLPZ]|10|2[0-8]|2[BDF]|3[489]|3[BDF]|4[024]|5[34578]|72|[FP]0|HV|XX)/;

/**
 * @param hasIdempotencyKey true when the client can repeat the request to learn its outcome.
 * @returns a RequestError where the client can act: CONFLICT for a unique value that is taken, INVALID for a value that
 * the declaration allows and the table does not, REJECTED for a rule of the database's owner, with the rule's message,
 * UNAVAILABLE for an unavailable or read-only database. Any other error is a bug and is returned unchanged.
 */
export function explainError(error: unknown, entity: EntityDeclaration, hasIdempotencyKey = false): unknown {
  if (isUnavailable(error)) return unavailable(error, hasIdempotencyKey);
  const { code = "", constraint_name: constraint, column_name: column } = error as Partial<PostgresError>;
  if (code === UNCAPTURED) return uncaptured(entity, error);
  const rule = ruleText(error as Partial<PostgresError>);
  if (code === "23505") {
    const member = entity.unique.find((m) => constraint === uniqueConstraintOf(entity, m));
    return conflict(entity, member, { rule, cause: error });
  }
  // PostgreSQL, appendix A: data exceptions, integrity constraint violations, and a value that is too large for an index.
  if (/^(22|23|54000)/.test(code))
    return new RequestError("INVALID", rule ?? "The database does not accept these values.", {
      violations: violations(entity, constraint, column),
      cause: error,
    });
  if (rule === undefined) return error;
  return new RequestError("REJECTED", rule, { violations: violations(entity, constraint, column), cause: error });
}

/** Changes of the entity bypass the outbox. @param cause the error of the statement that noticed it. */
export function uncaptured(entity: EntityDeclaration, cause?: unknown): RequestError {
  return new RequestError(
    "CAPTURE_INCOMPLETE",
    `The database does not capture changes of this ${entity.name}, so no replica would get them. Nothing was changed.`,
    { cause },
  );
}

/** @param member whose value is taken; undefined: not known. @param rule text of a rule that says so. */
export function conflict(
  entity: EntityDeclaration,
  member: string | undefined,
  { rule, cause }: { readonly rule?: string | undefined; readonly cause?: unknown } = {},
): RequestError {
  return new RequestError("CONFLICT", rule ?? `Another ${entity.name} already has this ${member ?? "value"}.`, {
    violations: member ? [{ pointer: `/${member}`, detail: "is taken" }] : [],
    cause,
  });
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

/** The member whose check constraint or column PostgreSQL names in the error. Empty: it names none. */
function violations(entity: EntityDeclaration, constraint?: string, column?: string): Violation[] {
  const [member] =
    Object.entries(entity.fields).find(
      ([, field]) => column === field.column || constraint === `${entity.table.name}_${field.column}_check`,
    ) ?? [];
  return member ? [{ pointer: `/${member}`, detail: REJECTED }] : [];
}

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
