/** The migration of the source that captures an adopted table. Pure. */
import { literal, relationText } from "./catalog.ts";
import type { PlannedEntity } from "./plan.ts";

/** Longest wait for the table's lock. Writers queue behind a waiting lock, so this is how long they can wait. */
export const LOCK_TIMEOUT_MS = 100;

/** The options of `lockstep.capture` for an entity. */
export function captureOptions({
  key,
  truncate,
  children,
}: Pick<PlannedEntity, "key" | "truncate" | "children">): object {
  return {
    key,
    truncate,
    ...(children.length === 0
      ? {}
      : {
          children: children.map((child) => ({
            member: child.member,
            relation: relationText(child.relation),
            key: child.key,
            parentKey: child.parentKey,
          })),
        }),
  };
}

/** The SQL text. It runs in a transaction of its own, because its locks last until the end of it. */
export function captureMigration(entity: PlannedEntity): string {
  const table = relationText(entity.relation);
  return `-- Captures the table ${table.replaceAll("\n", " ")} as the entity "${entity.name}": from then on each change of a row is sent to the replicas,
-- whoever makes it. The table gets triggers and no column. lockstep adopt --apply runs this file, and repeats it until it
-- gets the table's lock within this time: writers wait for no longer.
set local lock_timeout = '${LOCK_TIMEOUT_MS}ms';
select lockstep.capture(${literal(table)}, ${literal(entity.name)}, ${literal(JSON.stringify(captureOptions(entity)))});
`;
}
