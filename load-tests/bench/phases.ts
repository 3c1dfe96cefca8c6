/** The phases of the bench: writes over HTTP at a rate, and a bulk by SQL. */
import { join } from "node:path";
import { randomUUIDv7 } from "bun";
import postgres from "postgres";
import { CHANGES_PER_TRANSACTION, runBulk, seedBulk } from "./bulk.ts";
import { figuresOf } from "./figures.ts";
import { type GeneratorOptions, type GeneratorResult, type Message, nowMs } from "./generator.ts";
import type { Measuring, Subject } from "./measure.ts";
import type { BulkPhase, HttpPhase } from "./result.ts";
import { untilQuiet } from "./settle.ts";
import { isDatabase } from "./sql-writes.ts";

export type Print = (line: string) => void;

const SAMPLES_PER_SECOND = 50;
const WARM_UP_SECONDS = 5;

/** Runs the generator in a process of its own. @throws {Error} when it ends without a result. */
async function generate(options: GeneratorOptions, token: string | undefined, measurement: Measuring) {
  let result: GeneratorResult | undefined;
  const window = { fromMs: 0, toMs: 0 };
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "generator-process.ts"), JSON.stringify(options)], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, LOCKSTEP_TOKEN: token, LOCKSTEP_TOKEN_FILE: undefined },
    ipc(message: Message) {
      if (message.type === "sample") measurement.watch(message.sample);
      else if (message.type === "measuring") {
        window.fromMs = message.atMs;
        void measurement.begin();
      } else {
        window.toMs = message.atMs;
        result = message.result;
        child.disconnect();
      }
    },
  });
  const code = await child.exited;
  if (!result) throw new Error(`the load generator ended with ${code} and without a result`);
  return { result, window };
}

export async function httpPhase(
  subject: Subject,
  ratePerSecond: number,
  seconds: number,
  say: Print,
  measurement: Measuring,
): Promise<HttpPhase> {
  const name = `${isDatabase(subject.gateway) ? "SQL" : "HTTP"} at ${ratePerSecond}/s`;
  say(`${name}: ${WARM_UP_SECONDS} s to warm up, then ${seconds} s`);
  const { result, window } = await generate(
    {
      gateway: subject.gateway,
      ratePerSecond,
      seconds,
      warmUpSeconds: WARM_UP_SECONDS,
      seed: ratePerSecond,
      run: randomUUIDv7(),
      samplesPerSecond: SAMPLES_PER_SECOND,
    },
    subject.token,
    measurement,
  );
  say(`${name}: ${result.acknowledged} acknowledged; waiting until all is applied, then comparing`);
  const { lastReplicaCommitMs: _, ...phase } = await measurement.finish(name, window);
  const { sent, acknowledged, failed, ackMs, lateMs, mostUnderWay, cpuSeconds } = result;
  return {
    ...phase,
    ratePerSecond,
    sent,
    acknowledged,
    failed,
    ackMs: figuresOf(ackMs),
    generator: { lateMs: figuresOf(lateMs), mostUnderWay, cpuSeconds },
  };
}

export async function bulkPhase(
  subject: Subject,
  rowChanges: number,
  say: Print,
  measurement: Measuring,
): Promise<BulkPhase> {
  const name = `Bulk of ${rowChanges} by SQL`;
  say(`${name} in transactions of ${CHANGES_PER_TRANSACTION}`);
  const sql = postgres(subject.source.url, { max: 1, onnotice: () => {} });
  try {
    const seed = await seedBulk(sql);
    await untilQuiet(subject);
    await measurement.begin();
    const fromMs = nowMs();
    let said = 0;
    await runBulk(sql, seed, rowChanges / CHANGES_PER_TRANSACTION, (done) => {
      if (done - said < rowChanges / 4) return;
      said = done;
      say(`${name}: ${done} committed`);
    });
    const toMs = nowMs();
    say(`${name}: waiting until all is applied, then comparing`);
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
