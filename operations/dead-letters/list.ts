/** Letters as pages, the oldest first. Pure. */
import { originName } from "../../contracts/dead-letter.ts";
import { table } from "../../platform/table.ts";
import { type DeadLetterEntry, type DeadLetterState, deadLetterStates } from "./read-dead-letters.ts";

/** A letter as `--json` tells it. */
export const toListItem = ({ name, entity, deadLetter, state }: DeadLetterEntry) => ({
  origin: name,
  state,
  reason: deadLetter.reason,
  detail: deadLetter.detail,
  entity: entity.name,
  id: deadLetter.id ?? null,
  version: deadLetter.version ?? null,
  replica: deadLetter.replica ?? null,
  writtenAt: new Date(deadLetter.writtenMs).toISOString(),
  deadAt: new Date(deadLetter.atMs).toISOString(),
  replayOf: deadLetter.replayOf ?? null,
});

export interface DeadLetterPage {
  readonly items: readonly DeadLetterEntry[];
  /** Of all, not of this page alone. */
  readonly counts: Readonly<Record<DeadLetterState, number>>;
  readonly nextCursor: string | null;
}

const placeOf = ({ deadLetter }: DeadLetterEntry): string =>
  `${String(deadLetter.atMs).padStart(15, "0")} ${originName(deadLetter.origin)}`;

/** @param cursor the `nextCursor` of the page before. @param state which to list; counted are all. */
export function paginate(
  all: readonly DeadLetterEntry[],
  state: DeadLetterState | "all",
  limit: number,
  cursor?: string,
): DeadLetterPage {
  const counts = Object.fromEntries(deadLetterStates.map((s) => [s, 0])) as Record<DeadLetterState, number>;
  for (const found of all) counts[found.state]++;
  const after = cursor === undefined ? "" : Buffer.from(cursor, "base64url").toString();
  const rest = all
    .filter((found) => (state === "all" || found.state === state) && placeOf(found) > after)
    .sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
  const items = rest.slice(0, limit);
  const last = items.at(-1);
  const nextCursor = last && rest.length > limit ? Buffer.from(placeOf(last)).toString("base64url") : null;
  return { items, counts, nextCursor };
}

export function pageText({ items, counts, nextCursor }: DeadLetterPage): string {
  const summary = deadLetterStates.map((state) => `${counts[state]} ${state}`).join(", ");
  if (items.length === 0) return `no dead letters to show (${summary})`;
  const rows = items
    .map(toListItem)
    .map((item) => [
      item.origin,
      item.state,
      item.reason,
      item.replica ?? "stream",
      item.id ?? "-",
      String(item.version ?? "-"),
      item.deadAt,
      item.detail.replaceAll("\n", " ").slice(0, 80),
    ]);
  const heading = ["LETTER", "STATE", "REASON", "BY", "ENTITY ID", "VERSION", "SINCE", "DETAIL"];
  return [table([heading, ...rows]), summary, ...(nextCursor ? [`more: --cursor ${nextCursor}`] : [])].join("\n");
}
