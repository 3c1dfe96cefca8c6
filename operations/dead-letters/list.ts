/** Letters as pages, the oldest first. Pure. */
import { originName } from "../../contracts/dead-letter.ts";
import { table } from "../../platform/table.ts";
import { type FoldedDeadLetter, type State, states } from "./fold.ts";

/** A letter as `--json` tells it. */
export const itemOf = ({ name, entity, letter, state }: FoldedDeadLetter) => ({
  origin: name,
  state,
  reason: letter.reason,
  detail: letter.detail,
  entity: entity.name,
  id: letter.id ?? null,
  version: letter.version ?? null,
  replica: letter.replica ?? null,
  writtenAt: new Date(letter.writtenMs).toISOString(),
  deadAt: new Date(letter.atMs).toISOString(),
  replayOf: letter.replayOf ?? null,
});

export interface Page {
  readonly items: readonly FoldedDeadLetter[];
  /** Of all, not of this page alone. */
  readonly counts: Readonly<Record<State, number>>;
  readonly nextCursor: string | null;
}

const placeOf = ({ letter }: FoldedDeadLetter): string =>
  `${String(letter.atMs).padStart(15, "0")} ${originName(letter.origin)}`;

/** @param cursor the `nextCursor` of the page before. @param state which to list; counted are all. */
export function pageOf(all: readonly FoldedDeadLetter[], state: State | "all", limit: number, cursor?: string): Page {
  const counts = Object.fromEntries(states.map((s) => [s, 0])) as Record<State, number>;
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

export function pageText({ items, counts, nextCursor }: Page): string {
  const summary = states.map((state) => `${counts[state]} ${state}`).join(", ");
  if (items.length === 0) return `no dead letters to show (${summary})`;
  const rows = items
    .map(itemOf)
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
