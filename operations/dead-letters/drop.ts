/** Marks open letters as dropped, some at a time. */
import type { VerbContext } from "../verb.ts";
import type { FoldedDeadLetter } from "./fold.ts";
import { inWords, mark, openWriter } from "./mark.ts";

const MARKED_AT_A_TIME = 500;

/** @returns how many were marked: fewer when `signal` is aborted. @throws what the log says, in words. */
export async function drop(
  { connections, progress, signal }: Pick<VerbContext, "connections" | "progress" | "signal">,
  open: readonly FoldedDeadLetter[],
): Promise<number> {
  if (open.length === 0) return 0;
  const writer = await openWriter(await connections.log(), [...new Set(open.map(({ entity }) => entity))]);
  let dropped = 0;
  try {
    for (; dropped < open.length && !signal.aborted; progress(`${dropped} of ${open.length} dropped …`)) {
      const page = open.slice(dropped, dropped + MARKED_AT_A_TIME);
      await mark(writer, page, "dropped");
      dropped += page.length;
    }
  } catch (error) {
    throw inWords(error);
  } finally {
    await writer.close();
  }
  return dropped;
}
