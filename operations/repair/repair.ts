/** Sends again exactly what differs, and looks at it again when it has arrived. */
import { entities } from "../../contracts/entities/index.ts";
import type { EntityId } from "../../contracts/entity.ts";
import type { Log } from "../../platform/log/log.ts";
import type { Sql } from "../../platform/postgres.ts";
import { caughtUp } from "../verify/barrier.ts";
import { confirm } from "../verify/confirm.ts";
import type { Difference } from "../verify/difference.ts";

const CHUNK = 500;

/** Sends the present state of these once more. @returns how many were sent. */
export async function resend(
  source: Sql,
  differences: readonly Difference[],
  onSent: (sent: number) => void,
): Promise<number> {
  let sent = 0;
  for (const [entity, of] of Map.groupBy(differences, (difference) => difference.entity)) {
    // One entity may differ in several replicas: it is sent once, and reaches all.
    const atLeast = new Map<EntityId, number>();
    for (const { id, replicaVersion } of of) atLeast.set(id, Math.max(atLeast.get(id) ?? 1, replicaVersion ?? 1));
    const all = [...atLeast];
    for (let i = 0; i < all.length; i += CHUNK) {
      const chunk = all.slice(i, i + CHUNK);
      const ids = `{${chunk.map(([id]) => id).join(",")}}`;
      const versions = `{${chunk.map(([, version]) => version).join(",")}}`;
      await source`select lockstep.resend(${entity}, ${ids}::uuid[], ${versions}::bigint[])`;
      sent += chunk.length;
      onSent(sent);
    }
  }
  return sent;
}

/** What still differs of these, once everything has arrived; all of them when it has not in time. */
export async function stillDiffering(
  using: { readonly source: Sql; readonly replica: (name: string) => Sql; readonly log: Log },
  differences: readonly Difference[],
  withinMs: number,
): Promise<Difference[]> {
  const left: Difference[] = [];
  for (const entity of entities)
    for (const declared of entity.replicas) {
      const of = differences.filter((d) => d.entity === entity.name && d.replica === declared.name);
      if (of.length === 0) continue;
      const parts = { ...using, replica: using.replica(declared.name) };
      if (!(await caughtUp(parts, entity, declared.name, withinMs))) left.push(...of);
      else
        left.push(
          ...(
            await confirm(
              parts,
              entity,
              declared,
              of.map(({ id }) => id),
              withinMs,
            )
          ).differences,
        );
    }
  return left;
}
