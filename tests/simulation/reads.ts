/** Clients of the replicas. Each answer is judged at once, against what was committed as its request began. */
import { deadLetterHeader } from "../../contracts/dead-letter.ts";
import type { EntityId, Version } from "../../contracts/entity/document.ts";
import { header } from "../../contracts/event.ts";
import { deadLetterTopic } from "../../contracts/topics.ts";
import { product } from "../project/index.ts";
import type { Broker } from "./broker.ts";
import { isPresent } from "./products.ts";
import type { Reader, ReplicaServers } from "./servers.ts";
import type { System } from "./system.ts";
import type { SimulatedProcess } from "./world.ts";

/** Longest wait of a read with a token, in ms. */
const TOKEN_WAIT_MS = 1_500;

/** The reads of one replica. */
export class Reads {
  /** Newest version that any answer had, by id. */
  private readonly answered = new Map<EntityId, Version>();

  constructor(
    private readonly system: System,
    private readonly replica: ReplicaServers,
  ) {}

  /** One client asks one process for a product; with a token, for its newest version of the source or a newer one. */
  start(id: EntityId): void {
    const { world, source } = this.system;
    const { random } = world;
    const running = [...this.replica.readers].filter(([{ isAlive }]) => isAlive);
    if (running.length === 0) return;
    const [process, reader] = random.pick(running);
    const required = random.chance(0.3) ? source.newestSent(id) : undefined;
    world.schedule(0, process, () => void this.read(process, reader, id, required));
  }

  private async read(
    process: SimulatedProcess,
    { lookup, freshness }: Reader,
    id: EntityId,
    required: Version | undefined,
  ): Promise<void> {
    const { declaration, database } = this.replica;
    try {
      if (required !== undefined && !(await freshness.waitFor([{ id, version: required }], TOKEN_WAIT_MS))) return;
      const committed = database.rows.get(id)?.version ?? 0;
      const earlier = this.answered.get(id) ?? 0;
      const { entry, outcome } = await lookup.find(id);
      const version = entry?.version ?? 0;
      this.answered.set(id, Math.max(version, this.answered.get(id) ?? 0));
      const where = `${declaration.name} answered version ${version} of ${id} (${outcome.result}, ${process.name})`;
      const { world } = this.system;
      world.trace(process, () => where);
      if (version < committed) world.violate(`P7: ${where}, and version ${committed} was committed before`);
      else if (version < earlier) world.violate(`P3: ${where}, after it had answered version ${earlier}`);
      else if (version < (required ?? 0))
        world.violate(`P8: ${where}, although the token requires version ${required}`);
      else if (entry) this.checkContent(where, id, version, entry.body);
    } catch {
      // The replica's database is unavailable: the client gets no answer.
    }
  }

  private checkContent(where: string, id: EntityId, version: Version, body: string | null): void {
    const { world, source } = this.system;
    const isExpected = isPresent(source.history.get(`${id} ${version}`), this.replica.declaration.name);
    if (isExpected !== (body !== null))
      world.violate(`P4 P5: ${where} as ${body === null ? "deleted" : "present"}, and it is not`);
    else if (body !== null && !body.includes(`"name":"version ${version}"`))
      world.violate(`P3: ${where} with the content ${body}`);
  }
}

/** Compares a replica with the source. @returns the first difference, as a sentence. */
export function checkReplica(
  { source, broker, ids }: System,
  { declaration: { name }, database }: ReplicaServers,
): string | undefined {
  for (const id of ids) {
    const expected = source.newestSent(id);
    if (expected !== undefined && isDeadLetter(broker, name, id, expected)) continue;
    const found = database.rows.get(id);
    if (found?.version !== expected)
      return `P1: ${name} has ${id} at version ${found?.version}, and must have ${expected}`;
    if (expected === undefined) continue;
    const isExpected = isPresent(source.history.get(`${id} ${expected}`), name);
    if (isExpected !== (found!.row !== null))
      return `P4 P5: ${name} ${isExpected ? "lacks" : "has"} ${id}, of which version ${expected} is ${source.history.get(`${id} ${expected}`)}`;
    if (found!.row && found!.row.name !== `version ${expected}`)
      return `P1: ${name} has other content of ${id} v${expected}`;
  }
  return undefined;
}

/**
 * Whether the replica has written a dead letter for a version. Several lost connections in a row, each in a statement
 * with this row only, look as if the row ended them (apply-alone.ts).
 */
const isDeadLetter = (broker: Broker, replica: string, id: EntityId, version: Version): boolean =>
  broker
    .recordsOf(deadLetterTopic(product).name)
    .some(
      ({ key, headers }) =>
        headers[deadLetterHeader.replica] === replica &&
        String(key) === id &&
        headers[header.version] === String(version),
    );
