/** The letters that replay and drop are about: of those chosen, the open ones. */
import { type ChooseContext, choose, type Filters, inState } from "./choose.ts";
import type { FoldedDeadLetter } from "./fold.ts";

export interface Rest {
  /** Chosen, but replayed, dropped or superseded already. */
  readonly alreadyDone: number;
  /** Names that no letter has. */
  readonly unknown: readonly string[];
}

/** @throws what the log or a replica that must be asked says. */
export async function listOpen(
  context: ChooseContext,
  names: readonly string[],
  filters: Filters,
): Promise<{ open: FoldedDeadLetter[]; rest: Rest }> {
  const found = await choose(context, filters, names);
  const open = inState("open", found.values());
  const rest: Rest = { alreadyDone: found.size - open.length, unknown: names.filter((name) => !found.has(name)) };
  return { open, rest };
}
