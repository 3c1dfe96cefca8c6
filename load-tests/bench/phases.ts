/** The phases of a bench: writes at a constant rate, and a bulk by SQL. */
import { join } from "node:path";
import { randomUUIDv7 } from "bun";
import postgres from "postgres";
import { CHANGES_PER_TRANSACTION, runBulk, seedBulk } from "./bulk.ts";
import { figuresOf } from "./figures.ts";
import { type GeneratorMessage, type GeneratorOptions, type GeneratorResult, nowMs } from "./generator.ts";
import type { PhaseMeasurement, SystemUnderTest } from "./measurement.ts";
import type { BulkPhase, HttpPhase } from "./result.ts";
import { isDatabase } from "./sql-writes.ts";
import { waitUntilIdle } from "./wait-until-idle.ts";

/** Prints a line of progress. */
export type Print = (line: string) => void;

const SAMPLES_PER_SECOND = 50;
const WARM_UP_SECONDS = 5;

/** Runs the generator in its own process. @throws {Error} when it ends without a result. */
async function generate(options: GeneratorOptions, token: string | undefined, measurement: PhaseMeasurement) {
  let result: GeneratorResult | undefined;
  const window = { fromMs: 0, toMs: 0 };
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "generator-process.ts"), JSON.stringify(options)], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, LOCKSTEP_TOKEN: token, LOCKSTEP_TOKEN_FILE: undefined },
    ipc(message: GeneratorMessage) {
      if (message.type === "sample") measurement.addSample(message.sample);
      else if (message.type === "measuring") {
        window.fromMs = message.atMs;
        void measurement.start();
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

/**
 * Sends writes at a constant rate after {@link WARM_UP_SECONDS}, and measures them.
 *
 * @throws {Error} when the generator fails, or the system does not become idle in time.
 */
export async function httpPhase(
  system: SystemUnderTest,
  ratePerSecond: number,
  seconds: number,
  print: Print,
  measurement: PhaseMeasurement,
): Promise<HttpPhase> {
  const name = `${isDatabase(system.gateway) ? "SQL" : "HTTP"} at ${ratePerSecond}/s`;
  print(`${name}: ${WARM_UP_SECONDS} s of warm-up, then ${seconds} s`);
  const { result, window } = await generate(
    {
      gateway: system.gateway,
      ratePerSecond,
      seconds,
      warmUpSeconds: WARM_UP_SECONDS,
      seed: ratePerSecond,
      run: randomUUIDv7(),
      samplesPerSecond: SAMPLES_PER_SECOND,
    },
    system.token,
    measurement,
  );
  print(`${name}: ${result.acknowledged} acknowledged; waiting until all writes are applied, then comparing`);
  const { lastReplicaCommitMs: _, ...phase } = await measurement.finish(name, window);
  const { sent, acknowledged, failed, ackMs, sendDelayMs, maxInFlight, cpuSeconds } = result;
  return {
    ...phase,
    ratePerSecond,
    sent,
    acknowledged,
    failed,
    ackMs: figuresOf(ackMs),
    generator: { lateMs: figuresOf(sendDelayMs), mostUnderWay: maxInFlight, cpuSeconds },
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
    const { lastReplicaCommitMs, ...phase } = await measurement.finish(name, { fromMs, toMs });
    const seconds = (Math.max(lastReplicaCommitMs, toMs) - fromMs) / 1_000;
    return {
      ...phase,
      seconds,
      rowChanges,
      sourceRowsPerSecond: (rowChanges * 1_000) / (toMs - fromMs),
      rowsPerSecond: rowChanges / seconds,
    };
  } finally {
    await sql.end();
  }
}
