/** How everything is, asked from the servers themselves and not from what the services say of themselves. */
import { type Control, replicaKey, STREAM_KEY } from "../../contracts/control.ts";
import { entities } from "../../contracts/entities/index.ts";
import { eventsTopic, replicaGroup, replicaTopic, streamGroup } from "../../contracts/topics.ts";
import type { Log } from "../../kafka/log.ts";
import type { Connections } from "../connect.ts";
import { markSuperseded } from "../dead-letters/mark-superseded.ts";
import { readDeadLetters } from "../dead-letters/read-dead-letters.ts";
import { readControls } from "../pause/control.ts";
import { type LastVerification, readLastVerifications } from "../verify/results.ts";

export interface PartitionLag {
  readonly partition: number;
  /** Where the group goes on, and where the partition ends. */
  readonly position: number;
  readonly end: number;
  readonly lag: number;
}

/** One consumer of one topic. */
export interface ConsumerLag {
  /** `stream`, or the replica's name. */
  readonly name: string;
  readonly group: string;
  readonly topic: string;
  readonly paused: Control | null;
  readonly lag: number;
  readonly partitions: readonly PartitionLag[];
}

export interface ServiceHealth {
  readonly name: string;
  readonly instance: number;
  readonly url: string;
  readonly version: string | null;
  readonly health: "ready" | "not ready" | "down";
  readonly reason?: string;
  /** What the service says of itself beside that, by the name of the check. */
  readonly notes?: Readonly<Record<string, string>>;
}

export interface Status {
  readonly ok: boolean;
  /** What is wrong, in words; empty when all is well. */
  readonly problems: readonly string[];
  readonly services: readonly ServiceHealth[];
  readonly outbox: { readonly depth: number; readonly oldestAgeSeconds: number };
  readonly follows: readonly ConsumerLag[];
  /** Those that are open. */
  readonly deadLetters: number;
  readonly verifications: readonly LastVerification[];
}

interface ServiceCheck {
  readonly name: string;
  readonly problem: string | null;
  readonly note?: string | null;
}

const HEALTH_MS = 2_000;
/** A change that the log has not taken for so long is a problem, in seconds. */
const OLD_S = 30;

/** @throws when the source or the log does not answer. */
export async function readStatus(connections: Connections): Promise<Status> {
  const log = await connections.log();
  const paused = await readControls(log).catch(() => new Map<string, Control>());
  const [services, outbox, follows, deadLetters, verifications] = await Promise.all([
    Promise.all(connections.addresses.services.map(readServiceHealth)),
    readOutbox(connections),
    readConsumerLags(log, paused),
    countOpenDeadLetters(connections, log),
    readLastVerifications(connections.source()),
  ]);
  const found = { services, outbox, follows, deadLetters, verifications };
  const problems = problemsOf(found);
  return { ok: problems.length === 0, problems, ...found };
}

/** Never rejects: one that does not answer within two seconds is down. */
export async function readServiceHealth({
  name,
  instance,
  url,
}: Connections["addresses"]["services"][number]): Promise<ServiceHealth> {
  try {
    const answer = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(HEALTH_MS) });
    const body = (await answer.json()) as { version?: string; checks?: ServiceCheck[] };
    const checks = body.checks ?? [];
    const reason = checks.flatMap((check) => (check.problem ? [`${check.name}: ${check.problem}`] : [])).join("; ");
    const notes = Object.fromEntries(checks.flatMap((check) => (check.note ? [[check.name, check.note]] : [])));
    const health = answer.ok ? ("ready" as const) : ("not ready" as const);
    return { name, instance, url, version: body.version ?? null, health, ...(reason ? { reason } : {}), notes };
  } catch (error) {
    return {
      name,
      instance,
      url,
      version: null,
      health: "down",
      reason: error instanceof Error ? error.message : String(error),
    };
  }
}

/** Changes in the source's outbox. @throws when the source does not answer. */
export async function readOutbox(connections: Connections): Promise<Status["outbox"]> {
  const [row] = await connections.source()<{ depth: string; age: number | null }[]>`
    select count(*) as depth, extract(epoch from clock_timestamp() - min(at))::float8 as age from lockstep.outbox`;
  return { depth: Number(row!.depth), oldestAgeSeconds: Math.max(0, row!.age ?? 0) };
}

/** How far each consumer is, from its group's committed positions. @throws when the log does not answer. */
export function readConsumerLags(log: Log, paused: ReadonlyMap<string, Control>): Promise<ConsumerLag[]> {
  const pausedAs = (key: string) => (paused.get(key)?.paused ? paused.get(key)! : null);
  return Promise.all(
    entities.flatMap((entity) => [
      lagOf(log, "stream", streamGroup, eventsTopic(entity).name, pausedAs(STREAM_KEY)),
      ...entity.replicas.map(({ name }) =>
        lagOf(log, name, replicaGroup(name), replicaTopic(entity, name).name, pausedAs(replicaKey(name))),
      ),
    ]),
  );
}

async function lagOf(
  log: Log,
  name: string,
  group: string,
  topic: string,
  paused: Control | null,
): Promise<ConsumerLag> {
  // The position first: read later, the end cannot lie before it.
  const progress = await log.committedOffsets(group, topic);
  const partitions = [...(await log.offsets(topic))].map(([partition, { next }]) => {
    const position = progress.get(partition) ?? 0;
    return { partition, position, end: next, lag: Math.max(0, next - position) };
  });
  return { name, group, topic, paused, lag: partitions.reduce((sum, { lag }) => sum + lag, 0), partitions };
}

/** How many are open. @throws when the log does not answer. */
export async function countOpenDeadLetters(connections: Connections, log: Log): Promise<number> {
  const letters = [...(await readDeadLetters(log, entities)).values()];
  // A replica that does not answer shows elsewhere; its letters count as the topic tells.
  await markSuperseded(letters, (name) => connections.replica(name)).catch(() => {});
  return letters.filter(({ state }) => state === "open").length;
}

function problemsOf({ services, outbox, verifications }: Omit<Status, "ok" | "problems">): string[] {
  const unwell = services.filter(({ health }) => health !== "ready");
  const differing = verifications.filter((v) => Object.keys(v.differing).length > 0);
  return [
    ...unwell.map((s) => `${s.name} ${s.instance} is ${s.health}${s.reason ? ` (${s.reason})` : ""}`),
    ...(outbox.oldestAgeSeconds > OLD_S
      ? [
          `the oldest change has waited ${Math.round(outbox.oldestAgeSeconds)} s in the outbox: look at the relay and the log`,
        ]
      : []),
    ...differing.map((v) => `${v.replica} differed from the source at ${v.at.toISOString()}: run lockstep repair`),
  ];
}
