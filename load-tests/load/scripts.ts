/** The load tests: name, purpose and settings. The scripts are `load-tests/<name>.ts`. */

/** One load test. */
export interface Script {
  readonly name: string;
  readonly description: string;
  /** Meaning and default of each flag, by name without dashes. The script reads `p95-ms` as P95_MS. */
  readonly settings: Readonly<Record<string, string>>;
}

const p95 = (ms: number) => ({
  "p95-ms": `limit for the 95th percentile of the sync latency, in milliseconds (${ms})`,
});
const p99 = (ms: number) => ({
  "p99-ms": `limit for the 99th percentile of the sync latency, in milliseconds (${ms})`,
});
const rate = (what: string, perSecond: number) => ({ rate: `${what} per second (${perSecond})` });
const seconds = (n: number, what = "duration in seconds") => ({ seconds: `${what} (${n})` });

/** In the order of the help text. */
export const scripts: readonly Script[] = [
  {
    name: "smoke",
    description: "creates entities, reads them at every replica and cache, and deletes them",
    settings: { iterations: "entities (20)", ...p95(1_000) },
  },
  {
    name: "sync-latency",
    description: "measures every write until each replica's PostgreSQL and cache show it",
    settings: { ...rate("writes", 30), ...seconds(30), ...p95(100), ...p99(250) },
  },
  {
    name: "crud-mix",
    description: "the load of an application: writes, reads with and without a token, lists",
    settings: { ...rate("writes", 100), ...seconds(60), ...p95(250) },
  },
  {
    name: "spike",
    description: "a constant load, a sudden peak, and the constant load again",
    settings: {
      ...rate("writes before and after the peak", 50),
      peak: "factor of the peak (10)",
      ...seconds(15, "duration of each part in seconds"),
      recovery: "seconds after the peak until latency must be normal again (5)",
      ...p95(100),
    },
  },
  {
    name: "breakpoint",
    description: "raises the rate of writes step by step until the stack cannot keep up, and prints the sustained rate",
    settings: {
      from: "writes per second of the first step (200)",
      step: "added with each step (200)",
      to: "writes per second of the last step (3000)",
      ...seconds(10, "duration of each step in seconds"),
      ...p99(500),
    },
  },
  {
    name: "soak",
    description:
      "a constant load for a long time; then checks the memory of each process and compares source and replicas",
    settings: { ...rate("writes", 300), ...seconds(1_200), ...p99(500) },
  },
  {
    name: "read-heavy",
    description: "many cached reads, few writes",
    settings: {
      ...rate("reads", 500),
      entities: "number of entities to read (200)",
      ...seconds(30),
      "read-p99-ms": "limit for the 99th percentile of the duration of reads, in milliseconds (50)",
    },
  },
];
