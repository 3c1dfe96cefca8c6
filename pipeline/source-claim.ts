/**
 * Which source the topics belong to. The relay claims them before its first event, so that two sources with one
 * namespace cannot write to the same topics in turns.
 */
import { CLAIM_KEY_PREFIX, type Claim, decodeClaim } from "../contracts/control.ts";
import { UserError } from "../contracts/errors.ts";
import { type Namespaced, qualify } from "../contracts/project.ts";
import { controlTopic } from "../contracts/topics.ts";
import type { Log } from "../kafka/log.ts";
import type { Sql } from "../platform/postgres/connect.ts";

/** A source's database. */
export interface Source {
  /** The UUID in `lockstep.source_identity`, which every copy of the database has too. Empty before the migrations. */
  readonly identity: string;
  /**
   * PostgreSQL's system identifier and the database's oid. A database that was restored from a dump has another one. A
   * promoted standby keeps it, and so does a copy of the server's files.
   */
  readonly place: string;
  /** Name of the database, for people. */
  readonly database: string;
}

/** The claim of a source, as the log has it. */
export interface SourceClaim extends Claim {
  readonly identity: string;
}

type ClaimLog = Pick<Log, "offsets" | "read" | "openWriter">;

/** The topics hold the events of another source. */
export class OtherSourceError extends UserError {
  /** @param owner the claim that the log has. */
  constructor(
    { namespace }: Namespaced,
    readonly source: Source,
    readonly owner: SourceClaim,
  ) {
    const name = namespace === "" ? "topics without a namespace" : `topics of the namespace ${namespace}`;
    super(
      `the ${name} hold the events of another source: ${describeSource(owner)}, since ${owner.at}; this one is ` +
        `${describeSource(source)}. Give this project a namespace of its own in ` +
        "lockstep.config.ts; or, if this database replaces the other one, run lockstep take-over",
      "OTHER_SOURCE",
    );
  }
}

/** Names a source in a message: `database shop (1f0c…, at 7714…/16384)`. */
export const describeSource = ({ database, identity, place }: Source): string =>
  `database ${database} (${identity || "new"}, at ${place})`;

/** Reads which source the database is. @throws {Error} when the database is unavailable. */
export async function readSource(sql: Sql): Promise<Source> {
  const [row] = await sql<(Omit<Source, "identity"> & { isMigrated: boolean })[]>`
    select system_identifier || '/' || oid as place, datname as database,
      to_regclass('lockstep.source_identity') is not null as "isMigrated"
    from pg_control_system(), pg_database where datname = current_database()`;
  const { place, database, isMigrated } = row!;
  const [found] = isMigrated ? await sql<{ id: string }[]>`select id from lockstep.source_identity` : [];
  return { identity: found?.id ?? "", place, database };
}

const partitionOf = (project: Namespaced) => ({ topic: controlTopic(project).name, partition: 0 });

/** All claims that the log has, the oldest first. The oldest counts. @throws {Error} when the log is unavailable. */
export async function readClaims(log: Pick<Log, "offsets" | "read">, project: Namespaced): Promise<SourceClaim[]> {
  const at = partitionOf(project);
  const claims = new Map<string, Claim>();
  const { first, next } = (await log.offsets(at.topic)).get(at.partition)!;
  for await (const records of log.read(at, first, next))
    for (const { key, value } of records) {
      const name = key?.toString() ?? "";
      if (!name.startsWith(CLAIM_KEY_PREFIX)) continue;
      const identity = name.slice(CLAIM_KEY_PREFIX.length);
      const claim = decodeClaim(value);
      // A claim that is renewed keeps its place in the order. Compaction would move it to the end, so its renewal ends
      // all others.
      if (!claim) claims.delete(identity);
      else claims.set(identity, claim);
    }
  return [...claims].map(([identity, claim]) => ({ identity, ...claim }));
}

/** @throws {OtherSourceError} when another source has claimed the topics. @throws {Error} as {@link readClaims}. */
export async function checkClaim(
  log: Pick<Log, "offsets" | "read">,
  project: Namespaced,
  source: Source,
): Promise<"claimed" | "free"> {
  const [owner] = await readClaims(log, project);
  if (!owner) return "free";
  if (owner.identity !== source.identity) throw new OtherSourceError(project, source, owner);
  return "claimed";
}

/**
 * Claims the topics for this source, unless it has done so before. Renews the claim when the source has moved.
 *
 * @returns the former claim of a source that has moved, for example by a dump and restore.
 * @throws {OtherSourceError} when another source was first.
 * @throws {UserError} when the database has no identity. @throws {Error} when the log is unavailable.
 */
export async function claimTopics(
  log: ClaimLog,
  project: Namespaced,
  source: Source,
): Promise<SourceClaim | undefined> {
  requireIdentity(source);
  if ((await checkClaim(log, project, source)) === "claimed") return renewClaim(log, project, source);
  await write(log, project, "lockstep.relay.source", [claimRecord(source)]);
  try {
    await checkClaim(log, project, source);
    return undefined;
  } catch (error) {
    // The other source wrote its claim at the same time, and was first.
    if (error instanceof OtherSourceError) await write(log, project, "lockstep.relay.source", [withdrawal(source)]);
    throw error;
  }
}

/** @returns the former claim when the source has moved. */
async function renewClaim(log: ClaimLog, project: Namespaced, source: Source): Promise<SourceClaim | undefined> {
  const [owner, ...others] = await readClaims(log, project);
  if (!owner || owner.place === source.place) return undefined;
  await write(log, project, "lockstep.relay.source", [...others.map(withdrawal), claimRecord(source, owner.at)]);
  return owner;
}

/**
 * Makes this source the owner of the topics. The relay of the former owner ends at its next start.
 *
 * @returns the claims that ended.
 * @throws {UserError} when the database has no identity. @throws {Error} when the log is unavailable.
 */
export async function takeOver(log: ClaimLog, project: Namespaced, source: Source): Promise<SourceClaim[]> {
  requireIdentity(source);
  const claims = await readClaims(log, project);
  const others = claims.filter(({ identity }) => identity !== source.identity);
  const isClaimed = claims.length > others.length;
  if (others.length === 0 && isClaimed) return [];
  await write(log, project, "lockstep.operations.control", [
    ...(isClaimed ? [] : [claimRecord(source)]),
    ...others.map(withdrawal),
  ]);
  return others;
}

const keyOf = ({ identity }: Pick<Source, "identity">): string => `${CLAIM_KEY_PREFIX}${identity}`;

function requireIdentity({ identity, database }: Source): void {
  if (identity === "")
    throw new UserError(
      `lockstep.source_identity says nothing in database ${database}: a start of the relay creates it; if its row was ` +
        "deleted, insert into lockstep.source_identity default values",
      "NO_IDENTITY",
    );
}

function claimRecord(source: Source, at = new Date().toISOString()) {
  const claim: Claim = { database: source.database, place: source.place, at };
  return { key: keyOf(source), value: JSON.stringify(claim), headers: {} };
}

const withdrawal = (source: Pick<Source, "identity">) => ({ key: keyOf(source), value: null, headers: {} });

async function write(
  log: ClaimLog,
  project: Namespaced,
  name: string,
  records: readonly { key: string; value: string | null; headers: Record<string, string> }[],
): Promise<void> {
  const partition = partitionOf(project);
  const writer = await log.openWriter(qualify(project, name), [partition]);
  try {
    await writer.write(partition, records);
  } finally {
    await writer.close();
  }
}
