/**
 * Marks open dead letters as dropped; their records stay until they expire. Changes that the relay has set aside are
 * deleted.
 */
import type { VerbContext } from "../verb.ts";
import type { DeadLetterEntry, ListedEntry } from "./dead-letter-index.ts";
import { dropSetAside, isSetAside } from "./set-aside.ts";
import { openDeadLetterWriter, toUserError, writeResolution } from "./write-resolution.ts";

/** Dead letters between two checks of the signal. */
const PAGE_SIZE = 500;

/**
 * Drops dead letters, page by page, and deletes changes that are set aside. Prints a line for each of the latter,
 * because nothing else remembers them.
 *
 * @returns the number of dropped entries; smaller when `signal` is aborted.
 * @throws {ConnectionError} when another command fences the writer, or the log does not confirm a step.
 * @throws {Error} when the log or the source is unavailable.
 */
export async function dropDeadLetters(
  context: Pick<VerbContext, "connections" | "progress" | "print" | "signal">,
  open: readonly ListedEntry[],
): Promise<number> {
  const setAside = open.filter(isSetAside);
  const inTopics = open.filter((entry) => !isSetAside(entry)) as DeadLetterEntry[];
  const deleted = setAside.length > 0 ? await dropSetAside(context.connections.source(), setAside) : [];
  for (const { name, entity, deadLetter, exactVersion } of deleted)
    context.print(`${name} dropped: ${entity.name} ${deadLetter.id} version ${exactVersion}, ${deadLetter.reason}`);
  return deleted.length + (inTopics.length > 0 ? await markDropped(context, inTopics) : 0);
}

async function markDropped(
  { connections, progress, signal }: Pick<VerbContext, "connections" | "progress" | "signal">,
  open: readonly DeadLetterEntry[],
): Promise<number> {
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
