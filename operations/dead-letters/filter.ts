/** The filter of dead letters: its options on the command line, and what it matches. */
import { type Command, InvalidArgumentError } from "commander";
import { isDeadLetterName } from "../../contracts/dead-letter.ts";
import { type ReasonName, reasonNames } from "../../contracts/dead-letter-reasons.ts";
import type { Project } from "../../contracts/project.ts";
import { choiceParser, parseId, type VerbFlags } from "../verb.ts";
import type { ListedEntry } from "./dead-letter-index.ts";
import { isSetAside } from "./set-aside.ts";

/** Conditions that a dead letter must all meet. Undefined members match everything. */
export interface DeadLetterFilter {
  readonly entity?: string;
  /** Id of the entity. */
  readonly id?: string;
  readonly reason?: ReasonName;
  /**
   * The replica that could not apply the record; `stream` for records that the stream rejected, `relay` for changes that
   * the relay has set aside.
   */
  readonly replica?: string;
  /** Earliest time at which the record became a dead letter, in milliseconds since 1970. */
  readonly since?: number;
}

/** The flags that {@link withFilterOptions} adds, beside those of every verb. */
export type FilterFlags = VerbFlags & DeadLetterFilter;

/** Adds an option for each condition of the filter. */
export const withFilterOptions = (command: Command, { replicaNames }: Pick<Project, "replicaNames">): Command =>
  command
    .option("--entity <name>", "only of this entity")
    .option("--id <key>", "only of the entity with this id, as list shows it", parseId)
    .option("--reason <reason>", "only with this reason", choiceParser("reason", reasonNames))
    .option(
      "--replica <name>",
      'only what this replica could not apply; "stream" or "relay" for what the stream or the relay rejected',
      choiceParser("replica", ["relay", "stream", ...replicaNames]),
    )
    .option(
      "--since <when>",
      "only records that became dead letters since then: 30m, 12h, 7d, or a time as 2026-01-31T12:00:00Z",
      parseSince,
    );

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Parses a duration before now or a time. @returns milliseconds since 1970. */
function parseSince(value: string): number {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(value) ?? [];
  const ms = unit ? Date.now() - Number(count) * unitMs[unit]! : Date.parse(value);
  if (Number.isNaN(ms)) throw new InvalidArgumentError("must be 90s, 30m, 12h, 7d, or a time as 2026-01-31T12:00:00Z");
  return ms;
}

/** Parses the name of a dead letter: its origin, as `products.events/3/17` or `outbox/17`. */
export function parseNameArgument(value: string): string {
  if (!isDeadLetterName(value))
    throw new InvalidArgumentError("must be <topic>/<partition>/<offset> or outbox/<number>, as list shows it");
  return value;
}

/** Parses one of several names. @param previous the names that were parsed before. */
export const parseNameArguments = (value: string, previous: readonly string[] | undefined): string[] => [
  ...(previous ?? []),
  parseNameArgument(value),
];

/** The service that rejected the record: `relay`, `stream`, or a replica's name. */
export const rejectedBy = (entry: ListedEntry): string =>
  entry.deadLetter.replica ?? (isSetAside(entry) ? "relay" : "stream");

/** Creates the predicate of a filter. */
export const matchesFilter =
  ({ entity, id, reason, replica, since }: DeadLetterFilter) =>
  (entry: ListedEntry): boolean => {
    const { deadLetter } = entry;
    return (
      (entity === undefined || entity === entry.entity.name) &&
      (id === undefined || id === deadLetter.id) &&
      (reason === undefined || reason === deadLetter.reason) &&
      (replica === undefined || replica === rejectedBy(entry)) &&
      (since === undefined || deadLetter.atMs >= since)
    );
  };

/** True when the filter has at least one condition. */
export const hasFilter = ({ entity, id, reason, replica, since }: DeadLetterFilter): boolean =>
  [entity, id, reason, replica, since].some((condition) => condition !== undefined);
