/** Counts the open dead letters, by the service that could not process them. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { deadLetterTopic } from "../../contracts/topics.ts";
import type { Log } from "../../kafka/log.ts";
import type { Connections } from "../connect.ts";
import { markSuperseded } from "../dead-letters/mark-superseded.ts";
import { readDeadLetters } from "../dead-letters/read-dead-letters.ts";
import { type ActiveCondition, activeCondition } from "./active-condition.ts";

/** The open dead letters of one service. */
export interface OpenCount {
  /** `stream`, or the replica's name. */
  readonly service: string;
  readonly count: number;
  /** When the oldest of them was written, milliseconds since 1970. */
  readonly sinceMs: number;
}

/** Number of open dead letters of all services. */
export const totalOf = (open: readonly OpenCount[]): number => open.reduce((sum, { count }) => sum + count, 0);

/** Conditions of the open dead letters. */
export const conditionsOfDeadLetters = (open: readonly OpenCount[]): readonly ActiveCondition[] =>
  open.map(({ service, count, sinceMs }) =>
    activeCondition("dead-letters-open", service, `${count} open`, new Date(sinceMs).toISOString()),
  );

/**
 * Interval between two counts of the dead letters while some are open. A newer version supersedes a dead letter
 * without a record in its topic, so the count can change while the topic does not.
 */
const RECOUNT_MS = 2_000;
/** After a count, the counter pauses for this multiple of the time that the count took. */
const RECOUNT_PAUSE_FACTOR = 10;

/** Counts repeatedly. A count reads all dead letters, so it runs only when the number may have changed. */
export class DeadLetterCounter {
  /** Sum of all offsets of the topics at the last count: it changes with each new and each expired record. */
  private offsetSum = -1;
  private open: readonly OpenCount[] | undefined;
  private notBefore = 0;
  private countedAt = Number.NEGATIVE_INFINITY;
  private counting: Promise<readonly OpenCount[]> | undefined;

  constructor(
    private readonly connections: Connections,
    private readonly entities: readonly EntityDeclaration[],
  ) {}

  /**
   * Returns the first count when it is complete. Later calls return the last count and start the next one, because a
   * count of many dead letters takes long.
   *
   * @throws {Error} when the log is unavailable, or a topic is missing.
   */
  async count(): Promise<readonly OpenCount[]> {
    const log = await this.connections.log();
    const topics = await Promise.all(this.entities.map((entity) => log.offsets(deadLetterTopic(entity).name)));
    const partitions = topics.flatMap((offsets) => [...offsets.values()]);
    const offsetSum = partitions.reduce((sum, { first, next }) => sum + first + next, 0);
    const now = performance.now();
    const isDue = offsetSum !== this.offsetSum || (this.open?.length !== 0 && now - this.countedAt > RECOUNT_MS);
    if (isDue && now >= this.notBefore) {
      this.counting ??= this.recount(log, offsetSum, now).finally(() => {
        this.counting = undefined;
      });
      this.counting.catch(() => {}); // It fails only with the log, whose offsets the next call reads.
    }
    return this.open ?? this.counting!;
  }

  private async recount(log: Log, offsetSum: number, startedAt: number): Promise<readonly OpenCount[]> {
    this.open = await countOpen(this.connections, log, this.entities);
    this.offsetSum = offsetSum;
    this.countedAt = performance.now();
    this.notBefore = this.countedAt + (this.countedAt - startedAt) * RECOUNT_PAUSE_FACTOR;
    return this.open;
  }
}

async function countOpen(
  connections: Connections,
  log: Log,
  entities: readonly EntityDeclaration[],
): Promise<OpenCount[]> {
  const deadLetters = [...(await readDeadLetters(log, entities)).values()];
  // An unavailable replica is a condition of its own. Its dead letters then keep the state that the topic gives them.
  await markSuperseded(deadLetters, (name) => connections.replica(name)).catch(() => {});
  const open = deadLetters.filter(({ state }) => state === "open");
  return [...Map.groupBy(open, ({ deadLetter }) => deadLetter.replica ?? "stream")].map(([service, group]) => ({
    service,
    count: group.length,
    sinceMs: Math.min(...group.map(({ deadLetter }) => deadLetter.atMs)),
  }));
}
