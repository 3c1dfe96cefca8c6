/** Marks open letters as dropped, some at a time. */
import type { VerbContext } from "../verb.ts";
import type { DeadLetterEntry } from "./read-dead-letters.ts";
import { openDeadLetterWriter, toUserError, writeResolution } from "./write-resolution.ts";

const MARKED_AT_A_TIME = 500;

/** @returns how many were marked: fewer when `signal` is aborted. @throws what the log says, in words. */
export async function drop(
  { connections, progress, signal }: Pick<VerbContext, "connections" | "progress" | "signal">,
  open: readonly DeadLetterEntry[],
): Promise<number> {
  if (open.length === 0) return 0;
  const writer = await openDeadLetterWriter(await connections.log(), [...new Set(open.map(({ entity }) => entity))]);
  let dropped = 0;
  try {
    for (; dropped < open.length && !signal.aborted; progress(`${dropped} of ${open.length} dropped …`)) {
      const page = open.slice(dropped, dropped + MARKED_AT_A_TIME);
      await writeResolution(writer, page, "dropped");
      dropped += page.length;
    }
  } catch (error) {
    throw toUserError(error);
  } finally {
    await writer.close();
  }
  return dropped;
}
