/** What the source's database says, as an error that a client can act on. */
import type { PostgresError } from "postgres";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { columnOf } from "../contracts/entity/row.ts";
import { RequestError, type Violation } from "../contracts/errors.ts";
import { DatabaseUnavailableError, isUnavailable } from "../platform/postgres/database.ts";

const REFUSED = "the database does not accept this value";

/**
 * @param repeatable whether the client can find out what became of a request by repeating it.
 * @returns a LockstepError for what a client can act on: CONFLICT for a value that is taken, INVALID for one that the declaration
 * allows and the table refuses, UNAVAILABLE for a database that is away. Otherwise the error as it came: a fault of ours.
 */
export function explainError(error: unknown, entity: EntityDeclaration, repeatable = false): unknown {
  if (isUnavailable(error)) return unavailable(error, repeatable);
  const { code = "", constraint_name: constraint, column_name: column } = error as Partial<PostgresError>;
  if (code === "23505") {
    const member = entity.unique.find((m) => constraint === `${entity.plural}_${columnOf(m)}_key`);
    return new RequestError("CONFLICT", `Another ${entity.name} has this ${member ?? "value"} already.`, {
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

/** The member that a check or a missing value is about, as far as PostgreSQL names it. */
function violations(entity: EntityDeclaration, constraint?: string, column?: string): Violation[] {
  const member = Object.keys(entity.fields).find(
    (m) => column === columnOf(m) || constraint === `${entity.plural}_${columnOf(m)}_check`,
  );
  return member ? [{ pointer: `/${member}`, detail: REFUSED }] : [];
}

/** Only a statement that was sent, and whose answer was lost, may have been carried out. */
function unavailable(error: unknown, repeatable: boolean): RequestError {
  const { code = "" } = error as { code?: string };
  const sent =
    error instanceof DatabaseUnavailableError
      ? error.sent
      : /^(08|57P0[125]|CONNECTION_(CLOSED|DESTROYED)|ECONNRESET|EPIPE)/.test(code);
  const advice = sent
    ? `Whether the request was carried out is not known: ${repeatable ? "repeat it with the same Idempotency-Key" : "look before you repeat it"}.`
    : "Nothing was changed; try again.";
  return new RequestError("UNAVAILABLE", `The database cannot be reached or is too busy. ${advice}`, { cause: error });
}
