/** The status of the whole system, read from the servers themselves rather than from the services' own reports. */
import type { Control } from "../../contracts/control.ts";
import { entities } from "../../contracts/entities/index.ts";
import type { Log } from "../../kafka/log.ts";
import type { Connections } from "../connect.ts";
import { markSuperseded } from "../dead-letters/mark-superseded.ts";
import { readDeadLetters } from "../dead-letters/read-dead-letters.ts";
import { readControls } from "../pause/control.ts";
import { type LastVerification, readLastVerifications } from "../verify/results.ts";
import { type ConsumerLag, readConsumerLags } from "./consumer-lag.ts";
import { readServiceHealth, type ServiceHealth } from "./service-health.ts";

/** The JSON output of `lockstep status`. */
export interface Status {
  /** True when there are no problems. */
  readonly ok: boolean;
  /** Each problem in words; empty when there is none. */
  readonly problems: readonly string[];
  readonly services: readonly ServiceHealth[];
  /** The source's outbox: number of changes, and the age of the oldest. */
  readonly outbox: { readonly depth: number; readonly oldestAgeSeconds: number };
  readonly follows: readonly ConsumerLag[];
  /** Number of open dead letters. */
  readonly deadLetters: number;
  readonly verifications: readonly LastVerification[];
}

/** Age at which a change in the outbox is a problem, in seconds. */
const MAX_OUTBOX_AGE_S = 30;

/** Reads the status of every part at the same time. @throws {Error} when the source or the log is unavailable. */
export async function readStatus(connections: Connections): Promise<Status> {
  const log = await connections.log();
  const controls = await readControls(log).catch(() => new Map<string, Control>());
  const [services, outbox, follows, deadLetters, verifications] = await Promise.all([
    Promise.all(connections.addresses.services.map(readServiceHealth)),
    readOutbox(connections),
    readConsumerLags(log, controls),
    countOpenDeadLetters(connections, log),
    readLastVerifications(connections.source()),
  ]);
  const parts = { services, outbox, follows, deadLetters, verifications };
  const problems = findProblems(parts);
  return { ok: problems.length === 0, problems, ...parts };
}

/** Counts the changes in the source's outbox. @throws {Error} when the source is unavailable. */
export async function readOutbox(connections: Connections): Promise<Status["outbox"]> {
  const [row] = await connections.source()<{ depth: string; age: number | null }[]>`
    select count(*) as depth, extract(epoch from clock_timestamp() - min(at))::float8 as age from lockstep.outbox`;
  return { depth: Number(row!.depth), oldestAgeSeconds: Math.max(0, row!.age ?? 0) };
}

/** Counts the open dead letters of all entities. @throws {Error} when the log is unavailable. */
export async function countOpenDeadLetters(connections: Connections, log: Log): Promise<number> {
  const deadLetters = [...(await readDeadLetters(log, entities)).values()];
  // An unavailable replica is reported elsewhere. Its dead letters then keep the state that the topic gives them.
  await markSuperseded(deadLetters, (name) => connections.replica(name)).catch(() => {});
  return deadLetters.filter(({ state }) => state === "open").length;
}

function findProblems({ services, outbox, verifications }: Omit<Status, "ok" | "problems">): string[] {
  const unhealthy = services.filter(({ health }) => health !== "ready");
  const differing = verifications.filter((v) => Object.keys(v.differing).length > 0);
  const age = Math.round(outbox.oldestAgeSeconds);
  return [
    ...unhealthy.map((s) => `${s.name} ${s.instance} is ${s.health}${s.reason ? ` (${s.reason})` : ""}`),
    ...(outbox.oldestAgeSeconds > MAX_OUTBOX_AGE_S
      ? [`the oldest change has been in the outbox for ${age} s: check the relay and the log`]
      : []),
    ...differing.map((v) => `${v.replica} differed from the source at ${v.at.toISOString()}: run lockstep repair`),
  ];
}
