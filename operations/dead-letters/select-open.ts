/** The letters that replay and drop are about: of those chosen, the open ones. */

import type { DeadLetterEntry } from "./read-dead-letters.ts";
import { type DeadLetterFilter, inState, type SelectContext, selectDeadLetters } from "./select.ts";

export interface SkippedDeadLetters {
  /** Chosen, but replayed, dropped or superseded already. */
  readonly alreadyDone: number;
  /** Names that no letter has. */
  readonly unknown: readonly string[];
}

/** @throws what the log or a replica that must be asked says. */
export async function selectOpen(
  context: SelectContext,
  names: readonly string[],
  filters: DeadLetterFilter,
): Promise<{ open: DeadLetterEntry[]; rest: SkippedDeadLetters }> {
  const found = await selectDeadLetters(context, filters, names);
  const open = inState("open", found.values());
  const rest: SkippedDeadLetters = {
    alreadyDone: found.size - open.length,
    unknown: names.filter((name) => !found.has(name)),
  };
  return { open, rest };
}
