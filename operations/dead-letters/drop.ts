/** Marks open dead letters as dropped. Their records stay until they expire. */
import type { VerbContext } from "../verb.ts";
import type { DeadLetterEntry } from "./dead-letter-index.ts";
import { openDeadLetterWriter, toUserError, writeResolution } from "./write-resolution.ts";

/** Dead letters between two checks of the signal. */
const PAGE_SIZE = 500;

/**
 * Drops dead letters, page by page.
 *
 * @returns the number of dead letters dropped; smaller when `signal` is aborted.
 * @throws {ConnectionError} when another command fences the writer, or the log does not confirm a step.
 * @throws {Error} when the log is unavailable.
 */
export async function dropDeadLetters(
  { connections, progress, signal }: Pick<VerbContext, "connections" | "progress" | "signal">,
  open: readonly DeadLetterEntry[],
): Promise<number> {
  if (open.length === 0) return 0;
  const entities = [...new Set(open.map(({ entity }) => entity))];
  const writer = await openDeadLetterWriter(await connections.log(), entities);
  let dropped = 0;
  try {
    while (dropped < open.length && !signal.aborted) {
      const page = open.slice(dropped, dropped + PAGE_SIZE);
      await writeResolution(writer, page, "dropped");
      dropped += page.length;
      progress(`${dropped} of ${open.length} dropped …`);
    }
  } catch (error) {
    throw toUserError(error);
  } finally {
    await writer.close();
  }
  return dropped;
}
