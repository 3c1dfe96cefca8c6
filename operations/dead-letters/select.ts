/** Selects the dead letters that a verb works on: by name, by filter, or all. */

import { isSetAsideName } from "../../contracts/dead-letter.ts";
import type { VerbContext } from "../verb.ts";
import type { DeadLetterEntry, ListedEntry } from "./dead-letter-index.ts";
import { type DeadLetterFilter, matchesFilter } from "./filter.ts";
import { markSuperseded } from "./mark-superseded.ts";
import { readDeadLetters } from "./read-dead-letters.ts";
import { readSetAside } from "./set-aside.ts";

/** The collaborators of a selection. */
export type SelectContext = Pick<VerbContext, "connections" | "project" | "progress">;

/** What was selected and is not open. */
export interface SkippedDeadLetters {
  /** Number of dead letters that are replayed, dropped or superseded already. */
  readonly alreadyDone: number;
  /** Names that no dead letter has. */
  readonly unknown: readonly string[];
}

/**
 * Selects dead letters and changes that the relay has set aside, with their present state: the replicas are asked which
 * are superseded. Only what can match is read, so changes that are set aside can be handled while the log is away.
 *
 * @param names only these; empty selects any name.
 * @returns what was selected, by name.
 * @throws {Error} when the log, the source or a replica that must be asked is unavailable.
 */
export async function selectDeadLetters(
  context: SelectContext,
  filter: DeadLetterFilter,
  names: readonly string[] = [],
): Promise<Map<string, ListedEntry>> {
  const selected = new Set(names);
  const matches = matchesFilter(filter);
  const isSelected = (entry: ListedEntry) => (names.length === 0 || selected.has(entry.name)) && matches(entry);
  const mayBeSetAside = (filter.replica ?? "relay") === "relay" && (names.length === 0 || names.some(isSetAsideName));
  const mayBeInTopics = filter.replica !== "relay" && !(names.length > 0 && names.every(isSetAsideName));
  const [fromTopics, setAside] = await Promise.all([
    mayBeInTopics ? selectFromTopics(context, isSelected) : [],
    mayBeSetAside ? readSetAside(context.connections.source()) : [],
  ]);
  return new Map([...setAside.filter(isSelected), ...fromTopics].map((entry) => [entry.name, entry]));
}

async function selectFromTopics(
  { connections, project, progress }: SelectContext,
  isSelected: (entry: ListedEntry) => boolean,
): Promise<DeadLetterEntry[]> {
  const log = await connections.log();
  const onRead = (read: number, total: number) => progress(`${read} of ${total} records read …`);
  const all = await readDeadLetters(log, project.entities, onRead);
  const found = [...all.values()].filter(isSelected);
  progress(`checking the state of ${found.length} dead letters in the replicas …`);
  await markSuperseded(found, (replica) => connections.replica(replica));
  return found;
}

/** Selects open dead letters, for replay and drop. @throws {Error} as {@link selectDeadLetters} does. */
export async function selectOpen(
  context: SelectContext,
  names: readonly string[],
  filter: DeadLetterFilter,
): Promise<{ open: ListedEntry[]; skipped: SkippedDeadLetters }> {
  const selected = await selectDeadLetters(context, filter, names);
  const open = [...selected.values()].filter(({ state }) => state === "open");
  const unknown = names.filter((name) => !selected.has(name));
  return { open, skipped: { alreadyDone: selected.size - open.length, unknown } };
}
