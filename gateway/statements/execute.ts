/** Runs a statement in the source, and runs it again when PostgreSQL undid it. */
import type { Source } from "../source.ts";

/** SQLSTATEs of a transaction that PostgreSQL undid because of another one: serialization failure, deadlock. */
const UNDONE_CODES = ["40001", "40P01"];

/** Attempts for a statement of one request. */
export const MAX_ATTEMPTS = 3;

/** True when PostgreSQL undid the statement because of another transaction: the same statement may succeed. */
export const wasUndone = (error: unknown): boolean => UNDONE_CODES.includes((error as { code?: string }).code ?? "");

/**
 * Runs one statement and returns its rows. An undone statement runs again at once, at most `maxAttempts` times in
 * total.
 *
 * `retry()` of `platform/async` does not fit here: it limits the time, not the attempts, and it waits between them. The
 * other transaction has won already, so that a delay gains nothing.
 *
 * @throws {DatabaseUnavailableError} and the errors of the database.
 */
export async function execute<Row extends object>(
  source: Pick<Source, "query">,
  text: string,
  parameters: readonly (string | number | null)[],
  maxAttempts = MAX_ATTEMPTS,
): Promise<Row[]> {
  for (let attempt = 1; ; attempt++)
    try {
      return await source.query((sql) => sql.unsafe<Row[]>(text, [...parameters], { prepare: true }));
    } catch (error) {
      if (attempt >= maxAttempts || !wasUndone(error)) throw error;
    }
}
