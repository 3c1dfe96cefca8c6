/** Lists dead letters in pages, the oldest first. Pure. */
import { table } from "../../platform/table.ts";
import { type DeadLetterState, deadLetterStates, type ListedEntry } from "./dead-letter-index.ts";
import { rejectedBy } from "./filter.ts";

/** A dead letter in the JSON output. */
export const toListItem = (entry: ListedEntry) => {
  const { name, entity, deadLetter, state } = entry;
  return {
    origin: name,
    state,
    reason: deadLetter.reason,
    detail: deadLetter.detail,
    entity: entity.name,
    id: deadLetter.id ?? null,
    version: deadLetter.version ?? null,
    replica: deadLetter.replica ?? null,
    rejectedBy: rejectedBy(entry),
    writtenAt: new Date(deadLetter.writtenMs).toISOString(),
    deadAt: new Date(deadLetter.atMs).toISOString(),
    replayOf: deadLetter.replayOf ?? null,
  };
};

/** One page of the list. */
export interface DeadLetterPage {
  readonly items: readonly ListedEntry[];
  /** Number of dead letters by state, over all pages. */
  readonly counts: Readonly<Record<DeadLetterState, number>>;
  /** The cursor of the next page; null on the last one. */
  readonly nextCursor: string | null;
}

/** Orders by the time at which the record became a dead letter, then by origin. */
const sortKey = ({ deadLetter, name }: ListedEntry): string => `${String(deadLetter.atMs).padStart(15, "0")} ${name}`;

/**
 * Cuts a page out of all dead letters.
 *
 * @param state the state of the dead letters on the page. The counts include every state.
 * @param limit most items of the page.
 * @param cursor `nextCursor` of the page before; undefined for the first page.
 */
export function paginate(
  all: readonly ListedEntry[],
  state: DeadLetterState | "all",
  limit: number,
  cursor?: string,
): DeadLetterPage {
  const counts = Object.fromEntries(deadLetterStates.map((s) => [s, 0])) as Record<DeadLetterState, number>;
  for (const entry of all) counts[entry.state]++;
  const after = cursor === undefined ? "" : Buffer.from(cursor, "base64url").toString();
  const remaining = all
    .filter((entry) => (state === "all" || entry.state === state) && sortKey(entry) > after)
    .sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
  const items = remaining.slice(0, limit);
  const last = items.at(-1);
  const nextCursor = last && remaining.length > limit ? Buffer.from(sortKey(last)).toString("base64url") : null;
  return { items, counts, nextCursor };
}

/** A page as a table, with the counts below it. */
export function pageText({ items, counts, nextCursor }: DeadLetterPage): string {
  const summary = deadLetterStates.map((state) => `${counts[state]} ${state}`).join(", ");
  if (items.length === 0) return `no dead letters match (all: ${summary})`;
  const rows = items
    .map(toListItem)
    .map((item) => [
      item.origin,
      item.state,
      item.reason,
      item.rejectedBy,
      item.id ?? "-",
      String(item.version ?? "-"),
      item.deadAt,
      item.detail.replaceAll("\n", " ").slice(0, 80),
    ]);
  const heading = ["DEAD LETTER", "STATE", "REASON", "REJECTED BY", "ENTITY ID", "VERSION", "SINCE", "DETAIL"];
  const more = nextCursor ? [`next page: --cursor ${nextCursor}`] : [];
  return [table([heading, ...rows]), summary, ...more].join("\n");
}
