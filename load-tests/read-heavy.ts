/**
 * Many reads and few writes: RATE reads per second (default 500) of ENTITIES entities (default 200), spread over the
 * replicas, with one change per hundred reads, for SECONDS (default 30). Fails when the cache answers less than 90 %,
 * when a read with a token is older than its write, or for a p99 read duration above READ_P99_MS (default 50).
 */
import { check, fail } from "k6";
import { Rate } from "k6/metrics";
import type { Options } from "k6/options";
import { probeEverywhere, syncThresholds } from "./k6/replication-probe.ts";
import { commonOptions, report } from "./k6/report.ts";
import { readOwnWrite } from "./k6/scenario.ts";
import type { SummaryData } from "./k6/summary.ts";
import { replicas, setting } from "./k6/target.ts";
import { create, readOne, remove, update } from "./k6/writes.ts";

const rate = setting("RATE", 500);
const entities = setting("ENTITIES", 200);
const duration = `${setting("SECONDS", 30)}s`;

const cacheHits = new Rate("cache_hits");

/** k6 options: a scenario for reads and one for writes. */
export const options: Options = {
  ...commonOptions,
  setupTimeout: "120s",
  teardownTimeout: "120s",
  scenarios: {
    reads: { executor: "constant-arrival-rate", exec: "read", rate, duration, preAllocatedVUs: 20, maxVUs: 500 },
    writes: {
      executor: "constant-arrival-rate",
      exec: "write",
      rate: Math.max(1, Math.round(rate / 100)),
      duration,
      preAllocatedVUs: 5,
      maxVUs: 100,
    },
  },
  thresholds: {
    checks: ["rate==1"],
    http_req_failed: ["rate==0"],
    cache_hits: ["rate>0.9"],
    "dropped_iterations{scenario:reads}": ["count==0"],
    "http_req_duration{scenario:reads}": [`p(99)<${setting("READ_P99_MS", 50)}`],
    ...syncThresholds([]),
  },
};

type Ids = readonly string[];

const randomOf = <T>(list: readonly T[]): T | undefined => list[Math.floor(Math.random() * list.length)];

/** Creates the entities. Resolves when every replica has the last one. */
export async function setup(): Promise<Ids> {
  const ids: string[] = [];
  for (let i = 0; i < entities; i++) {
    const created = await create();
    if (!created) fail("the gateway did not accept an entity");
    if (i === entities - 1) await probeEverywhere(created);
    ids.push(created.id);
  }
  return ids;
}

/** One read of a random entity at a random replica. */
export async function read(ids: Ids): Promise<void> {
  const replica = randomOf(replicas);
  const id = randomOf(ids);
  if (!replica || !id) return;
  const result = await readOne(replica, id);
  cacheHits.add(result.isHit);
  check(result, { "the replica has the entity": ({ version }) => version > 0 });
}

/** One change of a random entity, and a read with its token. */
export async function write(ids: Ids): Promise<void> {
  const id = randomOf(ids);
  const written = id && (await update(id));
  if (written) await readOwnWrite(written);
}

/** Deletes the entities. */
export async function teardown(ids: Ids): Promise<void> {
  for (const id of ids) await remove(id);
}

/** Prints the summary and writes the report. */
export const handleSummary = (data: SummaryData) => report("read-heavy", data);
