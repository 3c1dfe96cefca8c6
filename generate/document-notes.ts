/** Says which changes of documents need a new schema version. Pure. */
import type { EntityState } from "./snapshot.ts";

/** One note per entity whose documents changed under the same schema version. */
export function documentNotes(
  before: Readonly<Record<string, EntityState>>,
  after: Readonly<Record<string, EntityState>>,
): string[] {
  return Object.entries(after).flatMap(([name, { schemaVersion, documents }]) => {
    const former = before[name];
    if (!former || former.schemaVersion !== schemaVersion) return [];
    const changes = Object.entries(documents).flatMap(([place, members]) => {
      const old = former.documents[place];
      if (!old) return [`${place} is new`];
      const names = new Set([...Object.keys(old), ...Object.keys(members)]);
      const changed = [...names].filter((member) => old[member] !== members[member]);
      return changed.length === 0
        ? []
        : [`${place}: ${changed.map((member) => change(member, old, members)).join(", ")}`];
    });
    if (changes.length === 0) return [];
    return [
      `${name}: its documents changed (${changes.join("; ")}). If events of version ${schemaVersion} are in a log, set schemaVersion to ${schemaVersion + 1} and add an upcaster for ${schemaVersion} (docs/schema-changes.md)`,
    ];
  });
}

const change = (
  member: string,
  old: Readonly<Record<string, string>>,
  now: Readonly<Record<string, string>>,
): string =>
  old[member] === undefined
    ? `${member} added`
    : now[member] === undefined
      ? `${member} removed`
      : `${member} is ${now[member]} instead of ${old[member]}`;
