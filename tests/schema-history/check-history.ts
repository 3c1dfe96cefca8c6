/** Checks that the current declaration reads every recorded sample, and equals the newest recording. Pure. */
import { type EntityDeclaration, ownMembers, type ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { Document } from "../../contracts/entity/document.ts";
import { documentSchema } from "../../contracts/entity/schemas.ts";
import { upcast, upcastProjection } from "../../contracts/entity/upcast.ts";
import { changesBetween, snapshotOf } from "./declaration-snapshot.ts";
import { projectionsOf, type Recording, type Sample } from "./recordings.ts";

/** Returns one text for each problem: what is wrong and what to do. Empty when there is none. */
export function findProblems(entity: EntityDeclaration, recorded: ReadonlyMap<number, Recording>): string[] {
  const { name, schemaVersion: current } = entity;
  const problems: string[] = [];
  for (const version of recorded.keys())
    if (version > current)
      problems.push(
        `${name}: version ${version} is recorded, but the declaration says ${current}: versions must not decrease`,
      );
  for (let version = 1; version < current; version++) {
    const earlier = recorded.get(version);
    if (!earlier) problems.push(`${name}: version ${version} has no samples: restore samples/${name}.v${version}.json`);
    else problems.push(...earlier.samples.flatMap((sample) => findUnreadable(entity, earlier, sample)));
  }
  const now = recorded.get(current);
  if (!now) problems.push(`${name}: version ${current} has no samples: run \`bun run record-schema ${name}\``);
  else problems.push(...undeclaredChanges(entity, now));
  return problems;
}

function undeclaredChanges(entity: EntityDeclaration, recorded: Recording): string[] {
  const { name, schemaVersion } = entity;
  const changes = [
    ...changesBetween(recorded.declared, snapshotOf(entity)),
    ...recorded.samples.flatMap(({ is, document, replicas }) =>
      changesBetween(replicas, projectionsOf(entity, document), `projections of sample "${is}"`),
    ),
  ];
  if (changes.length > 0)
    return [
      `${name}: the declaration has changed since version ${schemaVersion} was recorded:\n    ${changes.slice(0, 20).join("\n    ")}\n  ${remedyFor(recorded)}`,
    ];
  const schema = documentSchema(entity);
  return recorded.samples.flatMap(({ is, document }) => {
    const checked = schema.safeParse(document);
    return checked.success
      ? []
      : [`${name}: sample "${is}" of version ${schemaVersion} is not valid: ${checked.error.message}`];
  });
}

const remedyFor = ({ entity, schemaVersion, released }: Recording): string => {
  const raise = `set schemaVersion to ${schemaVersion + 1}, add an upcaster for ${schemaVersion} and run \`bun run record-schema ${entity}\` (docs/schema-changes.md)`;
  return released
    ? raise
    : `If no log that you keep contains events of version ${schemaVersion}, run \`bun run record-schema --again ${entity}\`; otherwise ${raise}`;
};

/** Returns the parts of an earlier version's sample that today's code cannot read. */
function findUnreadable(entity: EntityDeclaration, recorded: Recording, sample: Sample): string[] {
  const { schemaVersion: from } = recorded;
  const where = `${entity.name}: sample "${sample.is}" of version ${from}`;
  const problems: string[] = [];
  const check = (what: string, read: () => string | undefined) => {
    try {
      const problem = read();
      if (problem !== undefined) problems.push(`${where}, ${what}: ${problem}`);
    } catch (error) {
      const { cause } = error as Error;
      problems.push(`${where}, ${what}: ${(error as Error).message}${cause ? ` (${String(cause)})` : ""}`);
    }
  };
  check("as an event", () => eventProblem(entity, sample, from));
  if (problems.length > 0) return problems;
  check("private fields", () => findLeak(entity, recorded, sample));
  for (const replica of entity.replicas) {
    const projected = sample.replicas[replica.name];
    if (projected)
      check(`as sent to ${replica.name}`, () => projectionProblem(entity, replica, sample, projected, from));
  }
  return problems;
}

const clone = (document: Document): Document => structuredClone(document);

function eventProblem(entity: EntityDeclaration, { document }: Sample, from: number): string | undefined {
  const read = upcast(entity, clone(document), from);
  const checked = documentSchema(entity).safeParse(read);
  if (!checked.success) return `not valid after upcasting to version ${entity.schemaVersion}: ${checked.error.message}`;
  const moved = ownMembers(entity).filter((member) => read[member] !== document[member]);
  if (moved.length > 0) return `an upcaster changes ${moved.join(", ")}`;
  const repeated = upcast(entity, clone(document), from);
  return Bun.deepEquals(read, repeated) ? undefined : "an upcaster is not deterministic";
}

/** Events in flight to a replica, and events that a rebuild reads, must give the document that is sent today. */
function projectionProblem(
  entity: EntityDeclaration,
  replica: ReplicaDeclaration,
  { document }: Sample,
  projected: Document,
  from: number,
): string | undefined {
  const read = upcastProjection(entity, replica, clone(projected), from);
  const checked = documentSchema(replica).safeParse(read);
  if (!checked.success) return `not valid after upcasting to version ${entity.schemaVersion}: ${checked.error.message}`;
  const today = projectionsOf(entity, upcast(entity, clone(document), from))[replica.name];
  if (!today) return undefined; // The replica's filter no longer matches; the next event removes the entity.
  const placeholders = replica.placeholders?.[from] ?? [];
  const different = Object.keys(today).filter(
    (member) => !placeholders.includes(member) && !Bun.deepEquals(read[member], today[member]),
  );
  return different.length === 0
    ? undefined
    : `${different.join(", ")} would differ from what is sent today: give the replica its own upcaster, or list the member in its placeholders (docs/schema-changes.md)`;
}

/**
 * Finds a private value of an earlier version that an upcaster copies into a public field. The check changes the value
 * and compares all public fields. Declaring the same field as public is allowed, because that is deliberate.
 */
function findLeak(entity: EntityDeclaration, recorded: Recording, { document }: Sample): string | undefined {
  const { schemaVersion: from, declared, samples } = recorded;
  const sent = (given: Document) => upcast(entity, clone(given), from);
  const before = sent(document);
  for (const member of declared.private)
    for (const { document: other } of samples) {
      const after = sent({ ...document, [member]: other[member] });
      const leaking = Object.keys(entity.fields).filter(
        (field) => field !== member && !entity.fields[field]!.private && !Bun.deepEquals(before[field], after[field]),
      );
      if (leaking.length > 0) return `${member} was private, and its value reaches ${leaking.join(", ")}`;
    }
  return undefined;
}
