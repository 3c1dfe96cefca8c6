/** The filter of dead letters: its options on the command line, and what it matches. */
import { type Command, InvalidArgumentError } from "commander";
import { parseOrigin } from "../../contracts/dead-letter.ts";
import { type ReasonName, reasonNames } from "../../contracts/dead-letter-reasons.ts";
import { replicaNames } from "../../contracts/entities/index.ts";
import { choiceParser, entityParser, parseId, type VerbFlags } from "../verb.ts";
import type { DeadLetterEntry } from "./dead-letter-index.ts";

/** Conditions that a dead letter must all meet. Undefined members match everything. */
export interface DeadLetterFilter {
  readonly entity?: string;
  /** Id of the entity. */
  readonly id?: string;
  readonly reason?: ReasonName;
  /** The replica that could not apply the record; `stream` for records that the stream rejected. */
  readonly replica?: string;
  /** Earliest time at which the record became a dead letter, in milliseconds since 1970. */
  readonly since?: number;
}

/** The flags that {@link withFilterOptions} adds, beside those of every verb. */
export type FilterFlags = VerbFlags & DeadLetterFilter;

/** Adds an option for each condition of the filter. */
export const withFilterOptions = (command: Command): Command =>
  command
    .option("--entity <name>", "only of this entity", entityParser)
    .option("--id <uuid>", "only of the entity with this id", parseId)
    .option("--reason <reason>", "only with this reason", choiceParser("reason", reasonNames))
    .option(
      "--replica <name>",
      'only records that this replica could not apply; "stream" for records that the stream rejected',
      choiceParser("replica", ["stream", ...replicaNames]),
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

/** Parses the name of a dead letter: its origin, as `products.events/3/17`. */
export function parseNameArgument(value: string): string {
  if (!parseOrigin(value)) throw new InvalidArgumentError("must be <topic>/<partition>/<offset>, as list shows it");
  return value;
}

/** Parses one of several names. @param previous the names that were parsed before. */
export const parseNameArguments = (value: string, previous: readonly string[] | undefined): string[] => [
  ...(previous ?? []),
  parseNameArgument(value),
];

/** Creates the predicate of a filter. */
export const matchesFilter =
  ({ entity, id, reason, replica, since }: DeadLetterFilter) =>
  ({ entity: { name }, deadLetter }: DeadLetterEntry): boolean =>
    (entity === undefined || entity === name) &&
    (id === undefined || id === deadLetter.id) &&
    (reason === undefined || reason === deadLetter.reason) &&
    (replica === undefined || replica === (deadLetter.replica ?? "stream")) &&
    (since === undefined || deadLetter.atMs >= since);

/** True when the filter has at least one condition. */
export const hasFilter = ({ entity, id, reason, replica, since }: DeadLetterFilter): boolean =>
  [entity, id, reason, replica, since].some((condition) => condition !== undefined);
