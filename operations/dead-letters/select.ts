/** Selects the dead letters that a verb works on: by name, by filter, or all. */
import { entities } from "../../contracts/entities/index.ts";
import type { VerbContext } from "../verb.ts";
import type { DeadLetterEntry } from "./dead-letter-index.ts";
import { type DeadLetterFilter, matchesFilter } from "./filter.ts";
import { markSuperseded } from "./mark-superseded.ts";
import { readDeadLetters } from "./read-dead-letters.ts";

/** The collaborators of a selection. */
export type SelectContext = Pick<VerbContext, "connections" | "progress">;

/** What was selected and is not open. */
export interface SkippedDeadLetters {
  /** Number of dead letters that are replayed, dropped or superseded already. */
  readonly alreadyDone: number;
  /** Names that no dead letter has. */
  readonly unknown: readonly string[];
}

/**
 * Selects dead letters, with their present state: the replicas are asked which are superseded.
 *
 * @param names only these; empty selects any name.
 * @returns the dead letters by name. @throws {Error} when the log or a replica that must be asked is unavailable.
 */
export async function selectDeadLetters(
  { connections, progress }: SelectContext,
  filter: DeadLetterFilter,
  names: readonly string[] = [],
): Promise<Map<string, DeadLetterEntry>> {
  const log = await connections.log();
  const all = await readDeadLetters(log, entities, (read, total) => progress(`${read} of ${total} records read …`));
  const selected = new Set(names);
  const matches = matchesFilter(filter);
  for (const [name, entry] of all) if ((names.length > 0 && !selected.has(name)) || !matches(entry)) all.delete(name);
  progress(`checking the state of ${all.size} dead letters in the replicas …`);
  await markSuperseded(all.values(), (replica) => connections.replica(replica));
  return all;
}

/** Selects open dead letters, for replay and drop. @throws {Error} as {@link selectDeadLetters} does. */
export async function selectOpen(
  context: SelectContext,
  names: readonly string[],
  filter: DeadLetterFilter,
): Promise<{ open: DeadLetterEntry[]; skipped: SkippedDeadLetters }> {
  const selected = await selectDeadLetters(context, filter, names);
  const open = [...selected.values()].filter(({ state }) => state === "open");
  const unknown = names.filter((name) => !selected.has(name));
  return { open, skipped: { alreadyDone: selected.size - open.length, unknown } };
}
