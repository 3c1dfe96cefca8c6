/** The phases of a bench: no writes, writes at a constant rate, clients that wait for answers, and a bulk by SQL. */
import { join } from "node:path";
import { randomUUIDv7 } from "bun";
import postgres from "postgres";
import { sleep } from "../../platform/async/sleep.ts";
import { CHANGES_PER_TRANSACTION, runBulk, seedBulk } from "./bulk.ts";
import { type Cost, CostMeter } from "./cost-meter.ts";
import { figuresOf } from "./figures.ts";
import { type GeneratorMessage, type GeneratorOptions, type GeneratorResult, nowMs, type Sample } from "./generator.ts";
import type { PhaseMeasurement, SystemUnderTest } from "./measurement.ts";
import type { BulkPhase, ClientsPhase, IdlePhase, ProcessCost, RatePhase } from "./result.ts";
import { isDatabase } from "./sql-writes.ts";
import { countSystemCalls } from "./system-calls.ts";
import { waitUntilIdle } from "./wait-until-idle.ts";

/** Prints a line of progress. */
export type Print = (line: string) => void;

const SAMPLES_PER_SECOND = 50;
/** Writes before each measurement at a rate, in seconds. They do not count. */
export const LEAD_IN_SECONDS = 5;
/** System calls are counted for this time at the end of the observed seconds, after the samples. */
const TRACED_SECONDS = 3;

/** How long a phase at a rate takes, in seconds. */
export interface RateSeconds {
  readonly measured: number;
  /** Writes at the same rate before. 0 on new processes, where the first write counts. */
  readonly leadIn: number;
  /**
   * Writes at the same rate after the measurement, during which system calls are counted and caches are polled: both
   * cost CPU. 0 for neither.
   */
  readonly observed: number;
}

interface Listener {
  /** Called when the measured writes begin. */
  readonly onMeasuring?: () => void;
  readonly onSample?: (sample: Sample) => void;
}

type Load = Omit<GeneratorOptions, "gateway" | "run" | "seed">;

/** Runs the generator in its own process. @throws {Error} when it ends without a result. */
async function generate(system: SystemUnderTest, load: Load, { onMeasuring, onSample }: Listener) {
  let result: GeneratorResult | undefined;
  const window = { fromMs: 0, toMs: 0 };
  const options = { gateway: system.gateway, seed: 1, run: randomUUIDv7(), ...load } satisfies GeneratorOptions;
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "generator-process.ts"), JSON.stringify(options)], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, LOCKSTEP_TOKEN: system.token, LOCKSTEP_TOKEN_FILE: undefined },
    ipc(message: GeneratorMessage) {
      if (message.type === "sample") onSample?.(message.sample);
      else if (message.type === "measuring") {
        window.fromMs = message.atMs;
        onMeasuring?.();
      } else {
        window.toMs = message.atMs;
        result = message.result;
        child.disconnect();
      }
    },
  });
  const code = await child.exited;
  if (!result) throw new Error(`the load generator ended with status ${code} and no result; its error is above`);
  return { result, window };
}

const requestsOf = ({ sent, acknowledged, failed, ackMs, sendDelayMs, maxInFlight, cpuSeconds }: GeneratorResult) => ({
  writes: acknowledged,
  sent,
  acknowledged,
  failed,
  ackMs: figuresOf(ackMs),
  generator: { lateMs: figuresOf(sendDelayMs), mostUnderWay: maxInFlight, cpuSeconds },
});

const protocolOf = ({ gateway }: SystemUnderTest): string => (isDatabase(gateway) ? "SQL" : "HTTP");

const WARM_UP_RATE = 200;

/** Writes at 200/s, which are not measured. Resolves when all are applied. */
export async function warmUp(system: SystemUnderTest, seconds: number, print: Print): Promise<void> {
  print(`warm-up: ${seconds} s at ${WARM_UP_RATE}/s`);
  const load = { ratePerSecond: WARM_UP_RATE, seconds, warmUpSeconds: 0 };
  await generate(system, { load, samplesPerSecond: 0 }, {});
  await waitUntilIdle(system);
}

/** Measures what the system costs without writes. */
export async function idlePhase(system: SystemUnderTest, seconds: number, print: Print): Promise<IdlePhase> {
  print(`idle: ${seconds} s without writes`);
  await waitUntilIdle(system);
  const meter = new CostMeter(system.processes, system.services);
  await meter.start();
  await sleep(seconds * 1_000);
  return { kind: "idle", name: "Idle", writes: 0, ...(await meter.stop()) };
}

/**
 * Sends writes at a constant rate, and measures them.
 *
 * @throws {Error} when the generator fails, or the system does not become idle in time.
 */
export async function ratePhase(
  system: SystemUnderTest,
  ratePerSecond: number,
  seconds: RateSeconds,
  print: Print,
  measurement: PhaseMeasurement,
): Promise<RatePhase> {
  const name = `${protocolOf(system)} at ${ratePerSecond}/s`;
  print(`${name}: ${seconds.leadIn} s that do not count, then ${seconds.measured} s`);
  const load = { ratePerSecond, seconds: seconds.measured, warmUpSeconds: seconds.leadIn };
  let started: Promise<void> | undefined;
  const { result, window } = await generate(
    system,
    { load, samplesPerSecond: 0 },
    {
      onMeasuring: () => {
        started = measurement.start();
      },
    },
  );
  await started;
  print(`${name}: ${result.acknowledged} acknowledged; waiting until all writes are applied`);
  const cost = await measurement.stop();
  const processes = await observe(system, ratePerSecond, seconds.observed, cost, print, measurement);
  print(`${name}: comparing the databases`);
  const { lastReplicaCommitMs: _, ...phase } = await measurement.finish(window);
  return { kind: "rate", name, ...phase, ...cost, processes, ratePerSecond, ...requestsOf(result) };
}

/**
 * Sends more writes at the rate, counts system calls, and samples the caches.
 *
 * @returns the processes with their calls.
 */
async function observe(
  system: SystemUnderTest,
  ratePerSecond: number,
  seconds: number,
  { processes }: Cost,
  print: Print,
  measurement: PhaseMeasurement,
): Promise<readonly ProcessCost[]> {
  if (seconds === 0) return processes;
  print(`observing ${seconds} s at the same rate: system calls and caches`);
  const traced = Math.min(TRACED_SECONDS, seconds / 2);
  let counting: Promise<Map<string, number>> | undefined;
  let samplesUntil = 0;
  await generate(
    system,
    {
      // Some more than is observed: counting takes a moment to start.
      load: { ratePerSecond, seconds: seconds + 1, warmUpSeconds: 1 },
      samplesPerSecond: SAMPLES_PER_SECOND,
    },
    {
      onMeasuring: () => {
        samplesUntil = performance.now() + (seconds - traced) * 1_000 - 500;
        counting = sleep((seconds - traced) * 1_000).then(() => countSystemCalls(system.processes, traced));
      },
      // The start of the counting takes CPU, which delays the samples of that time.
      onSample: (sample) => {
        if (performance.now() < samplesUntil) measurement.addSample(sample);
      },
    },
  );
  const calls = await counting;
  return processes.map((process) => {
    const count = calls?.get(process.name);
    return {
      ...process,
      systemCalls: count === undefined ? null : { calls: count, writes: ratePerSecond * traced },
    };
  });
}

/**
 * Lets a number of clients send one write after the other, each when the one before is answered.
 *
 * @throws {Error} when the generator fails, or the system does not become idle in time.
 */
export async function clientsPhase(
  system: SystemUnderTest,
  { clients, writes }: { readonly clients: number; readonly writes: number },
  print: Print,
  measurement: PhaseMeasurement,
): Promise<ClientsPhase> {
  const name = `${clients} clients by ${protocolOf(system)}`;
  print(`${name}: ${writes} writes, each client waits for its answer`);
  await measurement.start();
  const { result, window } = await generate(system, { load: { clients, writes }, samplesPerSecond: 0 }, {});
  print(`${name}: ${result.acknowledged} acknowledged; waiting until all writes are applied, then comparing`);
  const cost = await measurement.stop();
  const { lastReplicaCommitMs, ...phase } = await measurement.finish(window);
  const perSecond = (toMs: number) => (result.acknowledged * 1_000) / (toMs - window.fromMs);
  return {
    kind: "clients",
    name,
    ...phase,
    ...cost,
    clients,
    ...requestsOf(result),
    acknowledgedPerSecond: perSecond(window.toMs),
    appliedPerSecond: perSecond(Math.max(lastReplicaCommitMs, window.toMs)),
  };
}

/**
 * Commits many row changes by SQL as fast as possible, and measures when the replicas have them.
 *
 * @param rowChanges a multiple of 1,000.
 * @throws {UserError} when the workload has no bulk statements.
 * @throws {Error} when the system does not become idle in time.
 */
export async function bulkPhase(
  system: SystemUnderTest,
  rowChanges: number,
  print: Print,
  measurement: PhaseMeasurement,
): Promise<BulkPhase> {
  const name = `Bulk of ${rowChanges} by SQL`;
  print(`${name} in transactions of ${CHANGES_PER_TRANSACTION}`);
  const statements = system.workload.bulk();
  const sql = postgres(system.source.url, { max: 1, onnotice: () => {} });
  try {
    const seed = await seedBulk(sql, statements);
    await waitUntilIdle(system);
    await measurement.start();
    const fromMs = nowMs();
    let printed = 0;
    await runBulk(sql, statements, seed, rowChanges / CHANGES_PER_TRANSACTION, (committed) => {
      if (committed - printed < rowChanges / 4) return;
      printed = committed;
      print(`${name}: ${committed} committed`);
    });
    const toMs = nowMs();
    print(`${name}: waiting until all changes are applied, then comparing`);
    const cost = await measurement.stop();
    const { lastReplicaCommitMs, ...phase } = await measurement.finish({ fromMs, toMs });
    const seconds = (Math.max(lastReplicaCommitMs, toMs) - fromMs) / 1_000;
    return {
      kind: "bulk",
      name,
      ...phase,
      ...cost,
      seconds,
      writes: rowChanges,
      rowChanges,
      sourceRowsPerSecond: (rowChanges * 1_000) / (toMs - fromMs),
      rowsPerSecond: rowChanges / seconds,
    };
  } finally {
    await sql.end();
  }
}
