/**
 * Sends open dead letters again, in the order of their origins, so that the changes of each entity stay in order.
 *
 * - A change that the relay has set aside: the source sends the entity's present state. The relay removes the change
 *   when that state is sent.
 * - A record that the stream rejected is appended to its events topic as it was.
 * - A record that a replica could not apply: the source sends the entity's present state.
 *
 * The resolution is written after the record was sent. A replay that ends between the two leaves the dead letter open,
 * and the next replay sends the record again. The stream then finds a duplicate, or writes a dead letter that counts
 * once.
 */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { Log, LogWriter } from "../../kafka/log.ts";
import { listText, type Sql } from "../../platform/postgres/connect.ts";
import { Throttle } from "../throttle.ts";
import { appendRecords } from "./append-records.ts";
import type { DeadLetterEntry, ListedEntry } from "./dead-letter-index.ts";
import { awaitRelay, isSetAside, type ResendOutcome, resendSetAside, type SetAsideEntry } from "./set-aside.ts";
import { openDeadLetterWriter, toUserError, writeResolution } from "./write-resolution.ts";

/** Dead letters between two checks of the rate and the signal. */
const PAGE_SIZE = 100;

/** The result of a replay. */
export interface ReplayResult extends ResendOutcome {
  /** Number of dead letters sent. */
  readonly replayed: number;
  /** Names of dead letters that cannot be sent: their records hold no entity id. */
  readonly impossible: readonly string[];
}

interface ReplayDeps {
  readonly log: () => Promise<Log>;
  readonly source: () => Sql;
  /** Ends the replay after the current page. */
  readonly signal: AbortSignal;
}

/** False for a dead letter of a replica without an entity id: the source cannot send its state. */
export const canReplay = ({ deadLetter }: ListedEntry): boolean =>
  deadLetter.replica === undefined || deadLetter.id !== undefined;

/**
 * Replays dead letters, page by page.
 *
 * @param ratePerSecond most dead letters per second.
 * @param onReplayed called after each page with the number of dead letters sent so far.
 * @throws {ConnectionError} when another command fences the writer, or the log does not confirm a step.
 * @throws {UserError} when the table of a change that is set aside is not captured any more.
 * @throws {Error} when the log or the source is unavailable.
 */
export async function replayDeadLetters(
  deps: ReplayDeps,
  entries: readonly ListedEntry[],
  ratePerSecond: number,
  onReplayed: (replayed: number) => void,
): Promise<ReplayResult> {
  const impossible = entries.filter((entry) => !canReplay(entry)).map(({ name }) => name);
  const possible = entries.filter(canReplay);
  const pages = { ratePerSecond, signal: deps.signal, onReplayed };
  const setAside = possible.filter(isSetAside);
  const resent = await forEachPage(setAside, pages, (page: readonly SetAsideEntry[]) =>
    resendSetAside(deps.source(), page),
  );
  const outcome =
    resent > 0
      ? await awaitRelay(deps.source(), setAside.slice(0, resent), deps.signal)
      : { setAsideAgain: [], pending: [] };
  const inTopics = possible.filter((entry) => !isSetAside(entry)) as DeadLetterEntry[];
  if (inTopics.length === 0) return { replayed: resent, impossible, ...outcome };
  const log = await deps.log();
  const writer = await openDeadLetterWriter(log, [...new Set(inTopics.map(({ entity }) => entity))]);
  try {
    const options = { ...pages, onReplayed: (count: number) => onReplayed(resent + count) };
    const replayed = await forEachPage(sortByOrigin(inTopics), options, async (page) => {
      await sendPage({ log, source: deps.source, writer }, page);
      await writeResolution(writer, page, "replayed");
    });
    return { replayed: resent + replayed, impossible, ...outcome };
  } catch (error) {
    throw toUserError(error);
  } finally {
    await writer.close();
  }
}

interface PageOptions {
  readonly ratePerSecond: number;
  readonly signal: AbortSignal;
  readonly onReplayed: (replayed: number) => void;
}

/** Sends entries page by page, within the rate. @returns how many were sent; fewer when the signal was aborted. */
async function forEachPage<Entry>(
  entries: readonly Entry[],
  { ratePerSecond, signal, onReplayed }: PageOptions,
  send: (page: readonly Entry[]) => Promise<void>,
): Promise<number> {
  const pageSize = Math.min(PAGE_SIZE, ratePerSecond);
  const throttle = new Throttle({ perSecond: ratePerSecond }, signal);
  let sent = 0;
  while (sent < entries.length) {
    const page = entries.slice(sent, sent + pageSize);
    await throttle.wait(page.length);
    if (signal.aborted) break;
    await send(page);
    sent += page.length;
    onReplayed(sent);
  }
  return sent;
}

async function sendPage(
  { log, source, writer }: { readonly log: Log; readonly source: () => Sql; readonly writer: LogWriter },
  page: readonly DeadLetterEntry[],
): Promise<void> {
  for (const [entity, group] of Map.groupBy(page, (entry) => entry.entity)) {
    const ofStream = group.filter(({ deadLetter }) => deadLetter.replica === undefined);
    if (ofStream.length > 0) await appendRecords(log, writer, entity, ofStream);
    const ofReplicas = group.filter(({ deadLetter }) => deadLetter.replica !== undefined);
    if (ofReplicas.length > 0) await resendEntities(source(), entity, ofReplicas);
  }
}

/** Lets the source send each entity once: its present state replaces all of its dead letters. */
async function resendEntities(
  source: Sql,
  entity: EntityDeclaration,
  group: readonly DeadLetterEntry[],
): Promise<void> {
  const minVersions = new Map<string, number>();
  for (const { deadLetter } of group)
    minVersions.set(deadLetter.id!, Math.max(minVersions.get(deadLetter.id!) ?? 1, deadLetter.version ?? 1));
  const ids = listText([...minVersions.keys()]);
  const versions = listText([...minVersions.values()]);
  await source`select lockstep.resend(${entity.name}, ${ids}::text[], ${versions}::bigint[])`;
}

/** Sorts by origin: within an entity that is the order of its changes. */
const sortByOrigin = (entries: readonly DeadLetterEntry[]): DeadLetterEntry[] =>
  entries.toSorted(
    ({ deadLetter: { origin: a } }, { deadLetter: { origin: b } }) =>
      (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : 0) || a.partition - b.partition || a.offset - b.offset,
  );
