/** The changes that the relay has set aside in the source: read, replayed and dropped like dead letters. */
import { setAsideName } from "../../contracts/dead-letter.ts";
import { isReason } from "../../contracts/dead-letter-reasons.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import { UserError } from "../../contracts/errors.ts";
import { sleepUnlessAborted } from "../../platform/async/sleep.ts";
import { listText, type Sql } from "../../platform/postgres/connect.ts";
import type { ListedEntry } from "./dead-letter-index.ts";

/** A change that the relay has set aside. It is open until it is gone. */
export interface SetAsideEntry extends ListedEntry {
  /** The outbox row's number, a bigint as text. */
  readonly seq: string;
  /** The version, a bigint as text. `deadLetter.version` is undefined when a number cannot hold it exactly. */
  readonly exactVersion: string;
}

/** True for a change that the relay has set aside; false for a dead letter of a topic. */
export const isSetAside = (entry: ListedEntry): entry is SetAsideEntry => "exactVersion" in entry;

/** Longest wait for the relay after a replay, in milliseconds. */
const RELAY_TIMEOUT_MS = 10_000;
const POLL_MS = 50;

interface SetAsideRow {
  readonly seq: string;
  readonly entity: string;
  readonly id: EntityId;
  readonly version: string;
  readonly resend: boolean;
  readonly reason: string;
  readonly detail: string;
  readonly at: Date;
  readonly set_aside_at: Date;
}

/** Reads all changes that are set aside. @throws {Error} when the source is unavailable. */
export async function readSetAside(source: Sql): Promise<SetAsideEntry[]> {
  const rows = await source<SetAsideRow[]>`
    select seq, entity, id, version, resend, reason, detail, at, set_aside_at from lockstep.set_aside order by seq`;
  return rows.map(toEntry);
}

function toEntry({ seq, entity, id, version, resend, reason, detail, at, set_aside_at }: SetAsideRow): SetAsideEntry {
  const isExact = Number.isSafeInteger(Number(version));
  return {
    seq,
    exactVersion: version,
    name: setAsideName(seq),
    entity: { name: entity },
    state: "open",
    deadLetter: {
      reason: isReason(reason) ? reason : "unencodable",
      detail: isExact ? detail : `${detail} (it is ${version})`,
      writtenMs: at.getTime(),
      atMs: set_aside_at.getTime(),
      id,
      ...(isExact ? { version: Number(version) } : {}),
      resent: resend,
    },
  };
}

/**
 * Lets the source send the present state of each entity. The relay removes a row when its state is sent, so nothing is
 * removed here.
 *
 * @throws {UserError} when an entity's table is not captured any more.
 * @throws {Error} when the source is unavailable.
 */
export async function resendSetAside(source: Sql, entries: readonly SetAsideEntry[]): Promise<void> {
  for (const [entity, group] of Map.groupBy(entries, (entry) => entry.entity.name)) {
    const ofEntity = listText(group.map(({ deadLetter }) => deadLetter.id!));
    const versions = listText(group.map(({ exactVersion }) => exactVersion));
    await source`select lockstep.resend(${entity}, ${ofEntity}::text[], ${versions}::bigint[])`.catch((error) => {
      throw (error as { code?: string }).code === UNDEFINED_OBJECT ? notCaptured(entity, error) : error;
    });
  }
}

/** What became of states that {@link resendSetAside} has sent. */
export interface ResendOutcome {
  /** Ids of entities that the relay has set aside again. */
  readonly setAsideAgain: readonly EntityId[];
  /** Ids of entities whose state still waits in the outbox: it is not known whether it can be sent. */
  readonly pending: readonly EntityId[];
}

/** Waits up to 10 s until the relay has read all states. @throws {Error} when the source is unavailable. */
export async function awaitRelay(
  source: Sql,
  entries: readonly SetAsideEntry[],
  signal: AbortSignal,
): Promise<ResendOutcome> {
  const ids = listText(entries.map(({ deadLetter }) => deadLetter.id!));
  const deadline = performance.now() + RELAY_TIMEOUT_MS;
  for (;;) {
    const pending = await source<{ id: EntityId }[]>`
      select distinct id from lockstep.outbox where id = any (${ids}::text[])`;
    if (pending.length > 0 && !signal.aborted && performance.now() < deadline) {
      await sleepUnlessAborted(POLL_MS, signal);
      continue;
    }
    const waiting = new Set(pending.map(({ id }) => id));
    const remaining = await source<{ id: EntityId }[]>`
      select id from lockstep.set_aside where id = any (${ids}::text[])`;
    return { setAsideAgain: remaining.map(({ id }) => id).filter((id) => !waiting.has(id)), pending: [...waiting] };
  }
}

/** SQLSTATE of `lockstep.relation_of` for an entity without a captured table. */
const UNDEFINED_OBJECT = "42704";

const notCaptured = (entity: string, cause: unknown): UserError =>
  new UserError(
    `no table is captured as ${entity}: capture it again with lockstep.capture, or drop its changes with ` +
      `lockstep dead-letters drop --entity ${entity}`,
    "NOT_CAPTURED",
    { cause },
  );

/**
 * Deletes changes that are set aside.
 *
 * @returns those that were still there.
 * @throws {Error} when the source is unavailable.
 */
export async function dropSetAside(source: Sql, entries: readonly SetAsideEntry[]): Promise<SetAsideEntry[]> {
  const seqs = listText(entries.map(({ seq }) => seq));
  const deleted = await source<{ seq: string }[]>`
    delete from lockstep.set_aside where seq = any (${seqs}::bigint[]) returning seq`;
  const dropped = new Set(deleted.map(({ seq }) => seq));
  return entries.filter(({ seq }) => dropped.has(seq));
}
