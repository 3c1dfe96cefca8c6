/** Which letters a verb is about: by name, by filters, or all. */
import { type Command, InvalidArgumentError } from "commander";
import { parseOrigin, type ReasonName, reasonNames } from "../../contracts/dead-letter.ts";
import { entities, replicaNames } from "../../contracts/entities/index.ts";
import { isId } from "../../contracts/pages.ts";
import { choiceParser, type VerbContext, type VerbFlags } from "../verb.ts";
import { markSuperseded } from "./mark-superseded.ts";
import { type DeadLetterEntry, type DeadLetterState, readDeadLetters } from "./read-dead-letters.ts";

export interface DeadLetterFilter {
  readonly entity?: string;
  readonly id?: string;
  readonly reason?: ReasonName;
  readonly replica?: string;
  /** Milliseconds since 1970. */
  readonly parseSince?: number;
}

export type FilterFlags = VerbFlags & DeadLetterFilter;

export const withFilterOptions = (command: Command): Command =>
  command
    .option(
      "--entity <name>",
      "only of one entity",
      choiceParser(
        "entity",
        entities.map(({ name }) => name),
      ),
    )
    .option("--id <uuid>", "only of the one with this id", entityId)
    .option("--reason <reason>", "only with this reason", choiceParser("reason", reasonNames))
    .option(
      "--replica <name>",
      'only what this replica could not apply; "stream" for what the stream rejected',
      choiceParser("replica", ["stream", ...replicaNames]),
    )
    .option(
      "--since <when>",
      "only what became a dead letter since: 30m, 12h, 7d, or a time as 2026-01-31T12:00:00Z",
      since,
    );

/** An origin as `products.events/3/17`. */
export function parseOriginArgument(given: string): string {
  if (!parseOrigin(given)) throw new InvalidArgumentError("must be <topic>/<partition>/<offset>, as list shows it");
  return given;
}

export const parseOriginArguments = (given: string, before: readonly string[] | undefined): string[] => [
  ...(before ?? []),
  parseOriginArgument(given),
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

export const matchesFilter =
  ({ entity, id, reason, replica, parseSince }: DeadLetterFilter) =>
  ({ entity: { name }, deadLetter }: DeadLetterEntry): boolean =>
    (entity === undefined || entity === name) &&
    (id === undefined || id === deadLetter.id) &&
    (reason === undefined || reason === deadLetter.reason) &&
    (replica === undefined || replica === (deadLetter.replica ?? "stream")) &&
    (parseSince === undefined || deadLetter.atMs >= parseSince);

export const hasFilter = ({ entity, id, reason, replica, parseSince }: DeadLetterFilter): boolean =>
  [entity, id, reason, replica, parseSince].some((filter) => filter !== undefined);

export type SelectContext = Pick<VerbContext, "connections" | "progress">;

/** All letters that match, by their names, with the state that is true now. @param names empty: of any name. */
export async function selectDeadLetters(
  { connections, progress }: SelectContext,
  filters: DeadLetterFilter,
  names: readonly string[] = [],
): Promise<Map<string, DeadLetterEntry>> {
  const log = await connections.log();
  const all = await readDeadLetters(log, entities, (read, of) => progress(`${read} of ${of} records read …`));
  const wanted = new Set(names);
  const match = matchesFilter(filters);
  for (const [name, found] of all) if ((names.length > 0 && !wanted.has(name)) || !match(found)) all.delete(name);
  progress(`${all.size} letters, looked up in the replicas …`);
  await markSuperseded(all.values(), (replica) => connections.replica(replica));
  return all;
}

export const inState = (state: DeadLetterState | "all", all: Iterable<DeadLetterEntry>): DeadLetterEntry[] =>
  [...all].filter((found) => state === "all" || found.state === state);
