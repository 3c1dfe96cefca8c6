/** How a stack is with more and more products: loaded by SQL with the capture on, then measured at a rate, then restarted. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { randomUUIDv7 } from "bun";
import postgres from "postgres";
import type { RestartResult } from "../../stack/restart.ts";
import insertText from "./bulk-insert.sql" with { type: "text" };
import { caughtUp } from "./caught-up.ts";
import { Measurement, type StackSubject } from "./measure.ts";
import { httpPhase, type Print } from "./phases.ts";
import type { GrowthPoint } from "./result.ts";
import { run, statusOf, tokenFor } from "./running-stack.ts";
import { untilQuiet } from "./settle.ts";
import { subjectOf } from "./subject.ts";

const ROWS_PER_TRANSACTION = 1_000;
/** So many are loaded before the replicas are waited for: it is no bulk that is measured here. */
const ROWS_PER_WAIT = 50_000;
const RATE = 200;

/**
 * Measures at each number of products, smaller ones first. A stack of its own only: services are restarted, and the stream's folder is taken away.
 *
 * @param counts in rising order.
 */
export async function growth(
  data: string,
  counts: readonly number[],
  seconds: number,
  say: Print,
): Promise<GrowthPoint[]> {
  const points: GrowthPoint[] = [];
  for (const products of counts) points.push(await pointAt(data, products, seconds, say));
  return points;
}

async function pointAt(data: string, products: number, seconds: number, say: Print): Promise<GrowthPoint> {
  const { loadedRows, loadSeconds, phase } = await (async () => {
    await using subject = await subjectOf(await statusOf(data), await tokenFor(data));
    const loaded = await load(subject, products, say);
    // Whole tables in this process' memory would be no small thing; `verify` compares by digests, afterwards.
    const measurement = new Measurement(subject, async () => []);
    return { ...loaded, phase: await httpPhase(subject, RATE, seconds, say, measurement) };
  })();
  say(`${products} products: restarting each service`);
  const restarted = JSON.parse(await answerOf(["restart", "--json", "--data", data])) as RestartResult[];
  const streamRestoreMs = await restoreStream(data);
  const verified = await timed(
    async () => (await run(["lockstep", "verify", "--share", "1", "--data", data], "ignore").exited) === 0,
  );
  return {
    products,
    loadedRows,
    loadSeconds,
    phase,
    restarted,
    streamRestoreMs,
    verifyMs: verified.ms,
    equal: verified.result,
  };
}

/** Adds rows until the table has so many, and waits until all have arrived. */
async function load(subject: StackSubject, products: number, say: Print) {
  const sql = postgres(subject.source.url, { max: 1, onnotice: () => {} });
  const begun = performance.now();
  try {
    const [row] = await sql<{ count: number }[]>`select count(*)::int as count from products`;
    const loadedRows = Math.max(0, products - (row?.count ?? 0));
    for (let left = loadedRows; left > 0; left -= ROWS_PER_WAIT) {
      for (let of = Math.min(left, ROWS_PER_WAIT); of > 0; of -= ROWS_PER_TRANSACTION)
        await sql.unsafe(insertText, [
          Array.from({ length: Math.min(of, ROWS_PER_TRANSACTION) }, () => randomUUIDv7()),
        ]);
      await untilQuiet(subject);
      say(`${Math.max(0, left - ROWS_PER_WAIT)} products to go until ${products}`);
    }
    return { loadedRows, loadSeconds: (performance.now() - begun) / 1_000 };
  } finally {
    await sql.end();
  }
}

/**
 * Kills the stream and takes its memory away: it reads all of it from the log before it decides anything.
 *
 * @returns milliseconds until what was written after the kill has come through, in each partition.
 */
async function restoreStream(data: string): Promise<number> {
  const status = await statusOf(data);
  await using subject = await subjectOf(status);
  const [replica] = subject.replicas;
  const stream = status.services.find(({ kind }) => kind === "stream");
  if (!stream?.pid || !replica) throw new Error("the stream does not run");
  process.kill(stream.pid, "SIGKILL");
  rmSync(join(data, `stream-${stream.instance}`), { recursive: true, force: true });
  return (await timed(() => caughtUp(subject.source.sql, replica.sql))).ms;
}

async function timed<T>(work: () => Promise<T>): Promise<{ result: T; ms: number }> {
  const begun = performance.now();
  const result = await work();
  return { result, ms: Math.round(performance.now() - begun) };
}

async function answerOf(args: readonly string[]): Promise<string> {
  const child = run(args, "pipe");
  const [text] = await Promise.all([new Response(child.stdout).text(), child.exited]);
  return text;
}
