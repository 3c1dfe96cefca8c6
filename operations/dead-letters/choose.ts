/** Which letters a verb is about: by name, by filters, or all. */
import { type Command, InvalidArgumentError } from "commander";
import { parseOrigin, type ReasonName, reasonNames } from "../../contracts/dead-letter.ts";
import { entities, replicaNames } from "../../contracts/entities/index.ts";
import { isId } from "../../contracts/pages.ts";
import { oneOf, type VerbContext, type VerbFlags } from "../verb.ts";
import { type FoldedDeadLetter, foldDeadLetters, type State } from "./fold.ts";
import { markSuperseded } from "./superseded.ts";

export interface Filters {
  readonly entity?: string;
  readonly id?: string;
  readonly reason?: ReasonName;
  readonly replica?: string;
  /** Milliseconds since 1970. */
  readonly since?: number;
}

export type FilterFlags = VerbFlags & Filters;

export const filtered = (command: Command): Command =>
  command
    .option(
      "--entity <name>",
      "only of one entity",
      oneOf(
        "entity",
        entities.map(({ name }) => name),
      ),
    )
    .option("--id <uuid>", "only of the one with this id", entityId)
    .option("--reason <reason>", "only with this reason", oneOf("reason", reasonNames))
    .option(
      "--replica <name>",
      'only what this replica could not apply; "stream" for what the stream rejected',
      oneOf("replica", ["stream", ...replicaNames]),
    )
    .option(
      "--since <when>",
      "only what became a dead letter since: 30m, 12h, 7d, or a time as 2026-01-31T12:00:00Z",
      since,
    );

/** An origin as `products.events/3/17`. */
export function originArgument(given: string): string {
  if (!parseOrigin(given)) throw new InvalidArgumentError("must be <topic>/<partition>/<offset>, as list shows it");
  return given;
}

export const originArguments = (given: string, before: readonly string[] | undefined): string[] => [
  ...(before ?? []),
  originArgument(given),
];

function entityId(given: string): string {
  if (!isId(given)) throw new InvalidArgumentError("must be a UUID in lower case");
  return given;
}

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** @returns milliseconds since 1970. */
export function since(given: string): number {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(given) ?? [];
  const at = unit ? Date.now() - Number(count) * units[unit]! : Date.parse(given);
  if (Number.isNaN(at)) throw new InvalidArgumentError("must be 90s, 30m, 12h, 7d, or a time as 2026-01-31T12:00:00Z");
  return at;
}

export const matches =
  ({ entity, id, reason, replica, since }: Filters) =>
  ({ entity: { name }, letter }: FoldedDeadLetter): boolean =>
    (entity === undefined || entity === name) &&
    (id === undefined || id === letter.id) &&
    (reason === undefined || reason === letter.reason) &&
    (replica === undefined || replica === (letter.replica ?? "stream")) &&
    (since === undefined || letter.atMs >= since);

export const hasFilter = ({ entity, id, reason, replica, since }: Filters): boolean =>
  [entity, id, reason, replica, since].some((filter) => filter !== undefined);

export type ChooseContext = Pick<VerbContext, "connections" | "progress">;

/** All letters that match, by their names, with the state that is true now. @param names empty: of any name. */
export async function choose(
  { connections, progress }: ChooseContext,
  filters: Filters,
  names: readonly string[] = [],
): Promise<Map<string, FoldedDeadLetter>> {
  const log = await connections.log();
  const all = await foldDeadLetters(log, entities, (read, of) => progress(`${read} of ${of} records read …`));
  const wanted = new Set(names);
  const match = matches(filters);
  for (const [name, found] of all) if ((names.length > 0 && !wanted.has(name)) || !match(found)) all.delete(name);
  progress(`${all.size} letters, looked up in the replicas …`);
  await markSuperseded(all.values(), (replica) => connections.replica(replica));
  return all;
}

export const inState = (state: State | "all", all: Iterable<FoldedDeadLetter>): FoldedDeadLetter[] =>
  [...all].filter((found) => state === "all" || found.state === state);
