/**
 * Makes log and replicas complete again from the source, whatever the log has lost.
 *
 * 1. Create the topics that are missing, and wait until the replicas read them.
 * 2. Send every row of the source again. Replicas apply also versions that they have.
 * 3. Wait until the replicas have them.
 * 4. Compare the replicas with the source, and send what still differs: rows that only a replica has are deleted there,
 *    since the source proves that they are gone.
 * 5. End the conditions that the loss had caused, if everything is equal.
 *
 * Each step may be repeated, so a run that was interrupted is continued by the next one.
 */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { quotedTable } from "../../contracts/entity/table.ts";
import { sleepUnlessAborted } from "../../platform/async/sleep.ts";
import { type BackfillResult, backfill } from "../backfill/backfill.ts";
import { clearLosses } from "../clear-losses.ts";
import { ConsumerBackpressure } from "../consumer-backpressure.ts";
import { type RepairResult, verifyAndRepair } from "../repair/verify-and-repair.ts";
import type { VerbContext } from "../verb.ts";
import { liveTarget } from "../verify/comparison-target.ts";
import { createMissingTopics } from "./create-topics.ts";
import { interruptedResync, type LogState, readLogState, topicsWithLoss } from "./log-state.ts";
import { outcomeOf } from "./outcome.ts";
import { clearMark, waitUntilTopicsNoticed } from "./replica-state.ts";

/** What is sent and compared, and how fast. */
export interface ResyncScope {
  /** Undefined: all replicas are compared. Rows are always sent to all of them. */
  readonly replica?: string;
  /** Undefined: all entities. */
  readonly entity?: string;
  /** Most rows per second. */
  readonly rate: number;
  /** Seconds that each replica may take to apply what was sent. */
  readonly within: number;
}

/** How a resync ended. Its members are in the output of `--json`. */
export interface ResyncResult {
  /** True when all compared replicas equal the source. */
  readonly equal: boolean;
  /** Topics that were created. */
  readonly createdTopics: readonly string[];
  /** Rows sent of each entity, by all runs of this resync. */
  readonly sent: readonly Pick<BackfillResult, "entity" | "sent">[];
  /** Differences after all rows had arrived, and what became of them. */
  readonly repair: Pick<RepairResult, "results" | "differed" | "sent" | "remaining">;
  /** Topics that have lost records while the resync ran: run it again. */
  readonly lostAgain: readonly string[];
  /** Why each replica was marked until now, by replica. */
  readonly cleared: Readonly<Record<string, string>>;
}

type ResyncContext = Pick<VerbContext, "connections" | "project" | "settings" | "progress" | "signal">;

/** Relay and stream find a loss within this time once records are sent, in milliseconds. */
const NOTICED_MS = 10_000;

/**
 * Resyncs everything in `scope`.
 *
 * @throws {ReplicaNotReadyError} when a replica does not take over its topics, as when it is stopped.
 * @throws {OutboxStuckError} when the relay does not send.
 * @throws {TooManyDifferencesError} when more than 200,000 rows differ after all were sent.
 * @throws {Error} when a server is unavailable; the signal's reason when it aborts.
 */
export async function resync(context: ResyncContext, scope: ResyncScope): Promise<ResyncResult> {
  const { connections, project, progress, signal } = context;
  const { entities } = project;
  const log = await connections.log();
  const chosen = entities.filter(({ name }) => !scope.entity || name === scope.entity);
  const names = new Set(chosen.flatMap((entity) => entity.replicas.map(({ name }) => name)));
  const replicas = [...names].filter((name) => !scope.replica || name === scope.replica);
  const createdTopics = await createMissingTopics(context);
  progress("waiting until the replicas read the present topics …");
  for (const name of replicas)
    await waitUntilTopicsNoticed({ sql: connections.replica(name), log, entities }, name, scope.within * 1_000, signal);
  const before = await readLogState(log, project);
  const startedAt = performance.now();
  const sent: BackfillResult[] = [];
  for (const entity of chosen) sent.push(await sendAgain(context, entity, before, scope.rate));
  await waitUntilApplied(context, chosen, replicas, scope.within * 1_000);
  signal.throwIfAborted();
  const repair = await verifyAndRepair(context, {
    ...(scope.replica ? { replica: scope.replica } : {}),
    ...(scope.entity ? { entity: scope.entity } : {}),
    cache: true,
    share: 1,
    within: scope.within,
  });
  await sleepUnlessAborted(Math.max(0, startedAt + NOTICED_MS - performance.now()), signal);
  signal.throwIfAborted();
  // Before the log's state: a loss that is found after this time is not in the state, and stays reported.
  const [{ now }] = await connections.source()<[{ now: Date }]>`select clock_timestamp() as now`;
  const lostAgain = topicsWithLoss(before, await readLogState(log, project));
  const [isOfEveryEntity, isOfEveryReplica] = [chosen.length === entities.length, scope.replica === undefined];
  const { equal, endsMarks, endsLosses } = outcomeOf({ isOfEveryEntity, isOfEveryReplica, lostAgain, repair });
  const cleared = endsMarks ? await endConditions(context, replicas, endsLosses ? now : undefined) : {};
  const sentRows = sent.map((one) => ({ entity: one.entity, sent: one.sent }));
  return { equal, createdTopics, sent: sentRows, repair, lostAgain, cleared };
}

async function sendAgain(
  { connections, progress, signal }: ResyncContext,
  entity: EntityDeclaration,
  logState: LogState,
  rate: number,
): Promise<BackfillResult> {
  const source = connections.source();
  // What an interrupted run had sent may be lost again.
  const earlier = await interruptedResync(source, entity.name);
  const restart = earlier === undefined || topicsWithLoss(earlier, logState).length > 0;
  const [row] = await source.unsafe<{ rows: string }[]>(`select count(*) as rows from ${quotedTable(entity.table)}`);
  const result = await backfill(source, entity, {
    rate,
    from: undefined,
    resync: { logState, restart },
    backpressure: new ConsumerBackpressure(await connections.log(), entity),
    signal,
    onProgress: ({ sent }) => progress(`${entity.plural}: ${sent} of ${row!.rows} rows sent …`),
  });
  signal.throwIfAborted();
  return result;
}

/** What has not arrived in time is found by the comparison. */
async function waitUntilApplied(
  { connections, progress }: ResyncContext,
  chosen: readonly EntityDeclaration[],
  replicas: readonly string[],
  timeoutMs: number,
): Promise<void> {
  progress("waiting until the replicas have applied all rows …");
  const source = connections.source();
  const log = await connections.log();
  for (const entity of chosen)
    for (const replica of entity.replicas.filter(({ name }) => replicas.includes(name))) {
      const deps = { source, replica: connections.replica(replica.name), log };
      await liveTarget(deps, entity, replica).waitUntilCaughtUp(timeoutMs);
    }
}

/** @param until losses that were found later stay. Undefined: all stay, since not every replica was compared. */
async function endConditions(
  { connections, project }: ResyncContext,
  replicas: readonly string[],
  until: Date | undefined,
): Promise<Record<string, string>> {
  const cleared: Record<string, string> = {};
  for (const name of replicas) {
    const reason = await clearMark(connections.replica(name));
    if (reason !== undefined) cleared[name] = reason;
  }
  if (until) await clearLosses({ sql: connections.source(), log: await connections.log(), project }, until);
  return cleared;
}
