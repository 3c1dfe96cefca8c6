/**
 * Fills replicas that never got all rows of an entity, such as a new replica. What the log has, they apply by themselves.
 * The rest is sent again from the source, of the entities that lack it. A run that was killed is continued by the next.
 */
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import { backfillMissing } from "../backfill/backfill-missing.ts";
import { ConsumerBackpressure } from "../consumer-backpressure.ts";
import type { VerbContext } from "../verb.ts";
import { liveTarget } from "../verify/comparison-target.ts";
import { findUnfilled, markFilled, stillUnfilled, type Unfilled } from "./find-unfilled.ts";

/** One entity that was sent. */
export interface FilledEntity {
  readonly entity: string;
  /** Names of the replicas that lacked rows. */
  readonly replicas: readonly string[];
  readonly sent: number;
  /** True when these replicas have applied all rows. */
  readonly whole: boolean;
}

/** Settings of a run. */
export interface FillOptions {
  /** Most rows per second. */
  readonly rate: number;
  /** Seconds that a replica may take to apply what is in the log, before and after. */
  readonly within: number;
}

/**
 * @returns what was filled; empty: no replica lacked an entity.
 * @throws {OutboxStuckError} when the relay does not send.
 * @throws {Error} when a server is unavailable.
 */
export async function fill(context: VerbContext, options: FillOptions): Promise<FilledEntity[]> {
  const { connections, project } = context;
  const isKnown = (name: string) => Boolean(connections.addresses.replicas.get(name));
  const deps = {
    source: connections.source(),
    replica: (name: string) => (isKnown(name) ? connections.replica(name) : undefined),
    marks: true,
  };
  const first = await findUnfilled(deps, project);
  if (first.length === 0) return [];
  const lacking = [...new Set(first.map(({ replica }) => replica.name))].join(", ");
  context.print(`${lacking}: lacks rows; waiting until what the log has is applied …`);
  for (const one of first) await waitUntilApplied(context, one, options);
  const unfilled = await stillUnfilled(deps, first);
  const filled: FilledEntity[] = [];
  for (const [entity, ofEntity] of Map.groupBy(unfilled, (one) => one.entity)) {
    if (context.signal.aborted) break;
    filled.push(
      await fillEntity(
        context,
        entity,
        ofEntity.map(({ replica }) => replica),
        options,
      ),
    );
  }
  return filled;
}

async function fillEntity(
  context: VerbContext,
  entity: EntityDeclaration,
  replicas: readonly ReplicaDeclaration[],
  options: FillOptions,
): Promise<FilledEntity> {
  const { connections, progress, print, signal } = context;
  const names = replicas.map(({ name }) => name);
  print(`${names.join(", ")}: sending the rows of ${entity.plural} …`);
  const { sent, finished } = await backfillMissing(
    { source: connections.source(), replica: (name) => connections.replica(name) },
    entity,
    replicas,
    {
      rate: options.rate,
      from: undefined,
      backpressure: new ConsumerBackpressure(await connections.log(), entity),
      signal,
      onProgress: (done) => progress(`${names.join(", ")}: ${done.sent} rows of ${entity.plural} sent …`),
    },
  );
  const applied = await Promise.all(replicas.map((replica) => waitUntilApplied(context, { entity, replica }, options)));
  if (finished)
    for (const [i, name] of names.entries()) if (applied[i]) await markFilled(connections.replica(name), entity.name);
  return { entity: entity.name, replicas: names, sent, whole: finished && applied.every(Boolean) };
}

/** @returns false when the replica did not apply everything in time. */
async function waitUntilApplied(
  { connections }: VerbContext,
  { entity, replica }: Pick<Unfilled, "entity" | "replica">,
  { within }: FillOptions,
): Promise<boolean> {
  const deps = {
    source: connections.source(),
    replica: connections.replica(replica.name),
    log: await connections.log(),
  };
  return liveTarget(deps, entity, replica).waitUntilCaughtUp(within * 1_000);
}
