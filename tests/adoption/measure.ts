/**
 * Measures an adoption: a million rows, 100 random writes a second beside it, and with --faults also kills of each
 * process, changes of three tables, TRUNCATE and key changes.
 *
 *     bun tests/adoption/measure.ts [--rows 1000000] [--per-second 100] [--faults] [--json FILE]
 */
import { parseArgs } from "node:util";
import { seededRandom } from "../../chaos/random.ts";
import { Adoption, REPLICA } from "./adoption.ts";
import { countRows } from "./fill.ts";
import { runWorkload, type WorkloadReport } from "./workload.ts";

const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "1000000" },
    "per-second": { type: "string", default: "100" },
    seed: { type: "string", default: "1" },
    faults: { type: "boolean", default: false },
    json: { type: "string" },
  },
});

const SERVICES = ["relay", "stream", `replica ${REPLICA}`];
/** Changes by an owner who knows nothing of Lockstep. */
const SCHEMA_CHANGES = [
  "alter table app.projects add column remark text",
  'alter table trade."Shippers" add column since timestamptz not null default clock_timestamp()',
  "alter table public.inventory add column shelf text generated always as ('shelf ' || store_id) stored",
];

const log = (line: string) => console.error(`${new Date().toISOString().slice(11, 19)} ${line}`);
const seconds = (from: number) => (performance.now() - from) / 1_000;

const adoption = await Adoption.start(Number(values.rows));
const rows = await countRows(adoption.source);
log(`${rows} rows in the source`);
const stop = new AbortController();
const writing = runWorkload({
  url: adoption.sourceUrl,
  seed: values.seed,
  seconds: 3_600,
  perSecond: Number(values["per-second"]),
  signal: stop.signal,
});

const prepared = await adoption.run("adopt", "--all", "--truncate", "app.import_rows");
log(`prepared: ${prepared.document?.adopted.length} tables ${prepared.error}`);
const captureStart = performance.now();
const captured = await adoption.run("adopt", "--apply");
const captureSeconds = seconds(captureStart);
log(`captured in ${captureSeconds.toFixed(1)} s, ${captured.document?.lockRetries} retries ${captured.error}`);
await adoption.startServices();
log("services run");
const backfillStart = performance.now();
const kills = values.faults ? await applyWithFaults() : [];
const applied = await adoption.run("adopt", "--apply");
log(`applied: ${applied.error} ${applied.document?.next ?? ""}`);
const applySeconds = seconds(backfillStart);
stop.abort();
const workload = await writing;
await untilApplied();
const whole = seconds(backfillStart);
const verified = await adoption.run("verify");
const differences = await adoption.differences();
const backfills: { sent: number; earlier: number; seconds: number }[] = applied.document?.backfills ?? [];
const sent = backfills.reduce((sum, one) => sum + one.sent - one.earlier, 0);
const backfillSeconds = backfills.reduce((sum, one) => sum + one.seconds, 0);
const report = {
  rows,
  tables: prepared.document?.adopted.length,
  refused: prepared.document?.refused.length,
  captureSeconds,
  lockRetries: captured.document?.lockRetries,
  sent,
  backfillSeconds,
  rowsPerSecond: Math.round(sent / backfillSeconds),
  applySeconds,
  wholeAfterSeconds: whole,
  verify: verified.status,
  differences: [...differences].map(([relation, { count, differences: first }]) => ({
    relation,
    count,
    first: first[0],
  })),
  kills,
  workload: summaryOf(workload),
};
console.log(JSON.stringify(report, null, 2));
if (values.json) await Bun.write(values.json, JSON.stringify(report, null, 2));
await adoption[Symbol.asyncDispose]();
process.exit(differences.size === 0 && workload.unexpectedErrors.length === 0 ? 0 : 1);

function summaryOf({ operations, statements, expectedErrors, unexpectedErrors, waitMs, longestWaits }: WorkloadReport) {
  return { operations, statements, expectedErrors, unexpectedErrors, waitMs, longestWaits: longestWaits.slice(0, 3) };
}

/** Kills `adopt` and each service twice while rows are sent, and changes tables. @returns what was killed. */
async function applyWithFaults(): Promise<string[]> {
  const random = seededRandom(`faults ${values.seed}`);
  const victims = [...SERVICES, "adopt", ...SERVICES, "adopt"];
  const changes = [...SCHEMA_CHANGES];
  for (const victim of victims) {
    const running = adoption.spawn("adopt", "--apply");
    await Bun.sleep(random.int(2_000, 6_000));
    const change = changes.shift();
    if (change) await adoption.source.unsafe(change);
    log(`kill -9 ${victim}${change ? `; ${change}` : ""}`);
    if (victim !== "adopt") {
      await adoption.kill(victim);
      await adoption.startService(victim);
    }
    running.kill("SIGKILL");
    await running.exited;
  }
  return victims;
}

/** Resolves when the outbox is empty and the replica has not changed for 5 s. */
async function untilApplied(): Promise<void> {
  let last = "";
  for (let stableSince = performance.now(); seconds(stableSince) < 5; await Bun.sleep(250)) {
    const [outbox] = await adoption.source`select exists (select from lockstep.outbox) as busy`;
    const [state] = await adoption.replica`select sum(version)::text || count(*) as state from lockstep.versions`;
    if (!outbox!.busy && state!.state === last) continue;
    last = state!.state;
    stableSince = performance.now();
  }
}
