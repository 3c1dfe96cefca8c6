/** Compares replicas with the source, range by range, while both go on: digests first, rows only where those differ. */
import type { Redis } from "ioredis";
import type { EntityDeclaration, EntityId, ReplicaDeclaration } from "../../contracts/entity.ts";
import type { Log } from "../../platform/log/log.ts";
import type { Sql } from "../../platform/postgres.ts";
import { Refusal } from "../../platform/refusal.ts";
import { wrongEntries } from "./cached.ts";
import { confirm } from "./confirm.ts";
import type { Difference } from "./difference.ts";
import { FIRST_ID, nextRange, suspects } from "./range.ts";

/** Rows of the source that one statement reads. */
const RANGE_ROWS = 2_000;
/** A replica that differs in more than this needs a rebuild, not a list. */
const MOST_SUSPECTS = 200_000;

export interface VerifyParts {
  readonly source: Sql;
  readonly replica: (name: string) => Sql;
  readonly log: Log;
  /** Undefined: caches are not looked at. */
  readonly redis: Redis | undefined;
}

export interface VerifyOptions {
  /** Part of the time that the source may be busy with this, above 0 up to 1. */
  readonly share: number;
  /** How long a replica may take to hear of what was committed at the end of the comparison, in milliseconds. */
  readonly withinMs: number;
  readonly signal: AbortSignal;
  readonly onProgress: (rows: number) => void;
}

/** What became of one entity in one replica. */
export interface Verified {
  readonly entity: string;
  readonly replica: string;
  /** Rows of the source that were compared. */
  readonly rows: number;
  readonly seconds: number;
  readonly differences: readonly Difference[];
  /** The replica had not heard of everything in time: what it lacks may be on its way, and is not among the differences. */
  readonly behind: boolean;
}

/**
 * Compares some replicas of one entity with the source.
 *
 * @throws when a database, the log or Redis does not answer, when `signal` is aborted, or when more differs than a list can hold.
 */
export async function verify(
  using: VerifyParts,
  entity: EntityDeclaration,
  replicas: readonly ReplicaDeclaration[],
  options: VerifyOptions,
): Promise<Verified[]> {
  const start = performance.now();
  const suspected = new Map(replicas.map(({ name }) => [name, new Set<EntityId>()]));
  const inCaches = new Map<string, Difference[]>(replicas.map(({ name }) => [name, []]));
  let rows = 0;
  for (let after = FIRST_ID, final = false; !final; ) {
    options.signal.throwIfAborted();
    const began = performance.now();
    const range = await nextRange(using.source, entity, after, RANGE_ROWS);
    const busyMs = performance.now() - began;
    for (const declared of replicas) {
      const replica = using.replica(declared.name);
      const found = suspected.get(declared.name)!;
      for (const id of await suspects(using.source, replica, entity, range)) found.add(id);
      if (found.size > MOST_SUSPECTS) throw new TooDifferentError(declared.name);
      if (using.redis)
        inCaches
          .get(declared.name)!
          .push(...(await wrongEntries({ replica, redis: using.redis }, entity, declared, range)));
    }
    rows += range.rows;
    options.onProgress(rows);
    ({ last: after, final } = range);
    const restMs = busyMs / options.share - (performance.now() - began);
    if (!final && restMs > 0) await Bun.sleep(restMs);
  }
  const verified: Verified[] = [];
  for (const declared of replicas) {
    const parts = { source: using.source, replica: using.replica(declared.name), log: using.log };
    const { differences, behind } = await confirm(
      parts,
      entity,
      declared,
      [...suspected.get(declared.name)!],
      options.withinMs,
    );
    const listed = new Set(differences.map(({ id }) => id));
    // A row that is wrong is wrong in the cache too, and mended there with it.
    const onlyCached = inCaches.get(declared.name)!.filter(({ id }) => !listed.has(id));
    const seconds = (performance.now() - start) / 1_000;
    verified.push({
      entity: entity.name,
      replica: declared.name,
      rows,
      seconds,
      differences: [...differences, ...onlyCached],
      behind,
    });
  }
  return verified;
}

/** So much differs that the replica should be rebuilt. */
export class TooDifferentError extends Refusal {
  override readonly name = "TooDifferentError";

  constructor(replica: string) {
    super(`more than ${MOST_SUSPECTS} entities of ${replica} differ: rebuild it (lockstep rebuild ${replica})`);
  }
}
