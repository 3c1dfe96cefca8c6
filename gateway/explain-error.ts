/** Turns an error of the source's database into an error that a client can act on. */
import type { PostgresError } from "postgres";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { columnOf } from "../contracts/entity/row.ts";
import { RequestError, type Violation } from "../contracts/errors.ts";
import { DatabaseUnavailableError, isUnavailable } from "../platform/postgres/errors.ts";

const REJECTED = "the database does not accept this value";

/** Codes of a lost connection: a statement that was sent may have been committed. */
const OUTCOME_UNKNOWN = /^(08|57P0[125]|CONNECTION_(CLOSED|DESTROYED)|ECONNRESET|EPIPE)/;

/**
 * @param hasIdempotencyKey true when the client can repeat the request to learn its outcome.
 * @returns a RequestError where the client can act: CONFLICT for a unique value that is taken, INVALID for a value that
 * the declaration allows and the table rejects, UNAVAILABLE for an unavailable database. Any other error is a bug and
 * is returned unchanged.
 */
export function explainError(error: unknown, entity: EntityDeclaration, hasIdempotencyKey = false): unknown {
  if (isUnavailable(error)) return unavailable(error, hasIdempotencyKey);
  const { code = "", constraint_name: constraint, column_name: column } = error as Partial<PostgresError>;
  if (code === "23505") {
    const member = entity.unique.find((m) => constraint === `${entity.plural}_${columnOf(m)}_key`);
    return new RequestError("CONFLICT", `Another ${entity.name} already has this ${member ?? "value"}.`, {
      violations: member ? [{ pointer: `/${member}`, detail: "is taken" }] : [],
      cause: error,
    });
  }
  // PostgreSQL, appendix A: data exceptions and integrity constraint violations.
  if (code.startsWith("22") || code.startsWith("23"))
    return new RequestError("INVALID", "The database does not accept these values.", {
      violations: violations(entity, constraint, column),
      cause: error,
    });
  return error;
}

/** The member whose check constraint or column PostgreSQL names in the error. Empty: it names none. */
function violations(entity: EntityDeclaration, constraint?: string, column?: string): Violation[] {
  const member = Object.keys(entity.fields).find(
    (m) => column === columnOf(m) || constraint === `${entity.plural}_${columnOf(m)}_check`,
  );
  return member ? [{ pointer: `/${member}`, detail: REJECTED }] : [];
}

function unavailable(error: unknown, hasIdempotencyKey: boolean): RequestError {
  const { code = "" } = error as { code?: string };
  const sent = error instanceof DatabaseUnavailableError ? error.sent : OUTCOME_UNKNOWN.test(code);
  const advice = hasIdempotencyKey
    ? "Repeat the request with the same Idempotency-Key."
    : "Read the entity before you repeat the request.";
  return new RequestError(
    "UNAVAILABLE",
    `The database is unavailable or overloaded. ${
      sent ? `It is not known whether the request was carried out. ${advice}` : "Nothing was changed. Try again."
    }`,
    { cause: error },
  );
}
