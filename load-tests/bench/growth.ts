/** Measures a stack with growing numbers of products: loads them by SQL, measures a constant rate, then restarts. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { randomUUIDv7 } from "bun";
import postgres from "postgres";
import { quotedTable } from "../../contracts/entity/table.ts";
import type { Project } from "../../contracts/project.ts";
import type { RestartResult } from "../../stack/restart.ts";
import { connectStack } from "./connect-stack.ts";
import { measureCatchUp } from "./measure-catch-up.ts";
import { LEAD_IN_SECONDS, type Print, ratePhase } from "./phases.ts";
import type { GrowthPoint } from "./result.ts";
import { runScript, statusOf, tokenFor } from "./running-stack.ts";
import { StackMeasurement, type StackUnderTest } from "./stack-measurement.ts";
import { waitUntilIdle } from "./wait-until-idle.ts";

const ROWS_PER_TRANSACTION = 1_000;
/** Rows to load between two waits for the replicas. */
const ROWS_PER_WAIT = 50_000;
const WRITES_PER_SECOND = 200;

/** A temporary stack, by its data folder, and the project that it runs. */
interface GrowingStack {
  readonly data: string;
  readonly project: Project;
}

/**
 * Measures at each number of products. Restarts all services and removes the stream's folder, so the stack must be
 * temporary.
 *
 * @param counts numbers of products, ascending.
 * @throws {Error} when the stack is not ready, or does not apply the rows in time.
 */
export async function measureGrowth(
  { data, project }: GrowingStack,
  counts: readonly number[],
  seconds: number,
  print: Print,
): Promise<GrowthPoint[]> {
  const points: GrowthPoint[] = [];
  for (const products of counts) points.push(await measurePoint({ data, project }, products, seconds, print));
  return points;
}

async function measurePoint(
  { data, project }: GrowingStack,
  products: number,
  seconds: number,
  print: Print,
): Promise<GrowthPoint> {
  const { loadedRows, loadSeconds, phase } = await (async () => {
    await using stack = await connectStack(await statusOf(data), project, await tokenFor(data));
    const loaded = await loadRows(stack, products, print);
    // No comparison here: it would read whole tables into memory. `verify` below compares digests.
    const measurement = new StackMeasurement(stack, async () => []);
    const lengths = { leadIn: LEAD_IN_SECONDS, measured: seconds, observed: 0 };
    return { ...loaded, phase: await ratePhase(stack, WRITES_PER_SECOND, lengths, print, measurement) };
  })();
  print(`${products} products: restarting each service`);
  const restarted = JSON.parse(await outputOf(["restart", "--json", "--data", data])) as RestartResult[];
  const streamRestoreMs = await restoreStream({ data, project });
  const verified = await timed(
    async () => (await runScript(["lockstep", "verify", "--share", "1", "--data", data], "ignore").exited) === 0,
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

/** Inserts rows until the table has `products` rows, and waits until all replicas have them. */
async function loadRows(stack: StackUnderTest, products: number, print: Print) {
  const sql = postgres(stack.source.url, { max: 1, onnotice: () => {} });
  const startedAt = performance.now();
  try {
    const { entity, bulk } = stack.workload;
    const { insert } = bulk();
    const table = quotedTable(entity.table);
    const [row] = await sql.unsafe<{ count: number }[]>(`select count(*)::int as count from ${table}`);
    const loadedRows = Math.max(0, products - (row?.count ?? 0));
    for (let left = loadedRows; left > 0; left -= ROWS_PER_WAIT) {
      for (let rest = Math.min(left, ROWS_PER_WAIT); rest > 0; rest -= ROWS_PER_TRANSACTION)
        await sql.unsafe(insert, [Array.from({ length: Math.min(rest, ROWS_PER_TRANSACTION) }, () => randomUUIDv7())]);
      await waitUntilIdle(stack);
      print(`${Math.max(0, left - ROWS_PER_WAIT)} of ${products} products left`);
    }
    return { loadedRows, loadSeconds: (performance.now() - startedAt) / 1_000 };
  } finally {
    await sql.end();
  }
}

/**
 * Kills the stream and removes its folder, so that it restores all versions from the log before it routes anything.
 *
 * @returns milliseconds until a replica has the writes that followed the kill, in each partition.
 */
async function restoreStream({ data, project }: GrowingStack): Promise<number> {
  const status = await statusOf(data);
  await using connected = await connectStack(status, project);
  const [replica] = connected.replicas;
  const stream = status.services.find(({ kind }) => kind === "stream");
  if (!stream?.pid || !replica) throw new Error("the stack has no stream process or no replica; see: bun run status");
  process.kill(stream.pid, "SIGKILL");
  rmSync(join(data, `stream-${stream.instance}`), { recursive: true, force: true });
  return (await timed(() => measureCatchUp(connected, replica.sql))).ms;
}

async function timed<T>(work: () => Promise<T>): Promise<{ result: T; ms: number }> {
  const startedAt = performance.now();
  const result = await work();
  return { result, ms: Math.round(performance.now() - startedAt) };
}

async function outputOf(args: readonly string[]): Promise<string> {
  const child = runScript(args, "pipe");
  const [text] = await Promise.all([new Response(child.stdout).text(), child.exited]);
  return text;
}
