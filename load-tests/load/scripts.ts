/** The load tests by name: what each is for, and what of it can be set. The scripts in load-tests/ say the rest. */

export interface Script {
  readonly name: string;
  readonly description: string;
  /** Flags by name without their dashes, each with what it means and its default; a script reads `p95-ms` as P95_MS. */
  readonly settings: Readonly<Record<string, string>>;
}

const p95 = (ms: number) => ({ "p95-ms": `sync latency that 95 % must stay below, in milliseconds (${ms})` });
const p99 = (ms: number) => ({ "p99-ms": `sync latency that 99 % must stay below, in milliseconds (${ms})` });
const rate = (what: string, perSecond: number) => ({ rate: `${what} per second (${perSecond})` });
const seconds = (n: number, what = "duration in seconds") => ({ seconds: `${what} (${n})` });

export const scripts: readonly Script[] = [
  {
    name: "smoke",
    description: "products that come, show up everywhere and go again: is the stack whole?",
    settings: { iterations: "products (20)", ...p95(1_000) },
  },
  {
    name: "sync-latency",
    description: "follows every write to each replica's PostgreSQL and cache",
    settings: { ...rate("writes", 30), ...seconds(30), ...p95(100), ...p99(250) },
  },
  {
    name: "crud-mix",
    description: "what an application does all day: writes, reads with and without a token, lists",
    settings: { ...rate("writes", 100), ...seconds(60), ...p95(250) },
  },
  {
    name: "spike",
    description: "calm, many times as much at once, and calm again",
    settings: {
      ...rate("writes in the calm", 50),
      peak: "times as many in the spike (10)",
      ...seconds(15, "duration of each part in seconds"),
      recovery: "seconds after the spike until all must be as before (5)",
      ...p95(100),
    },
  },
  {
    name: "breakpoint",
    description: "raises the rate of writes step by step until the stack does not keep up, and tells what it sustains",
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
    description: "the same load for a long time; then memory of each process, and source against replicas",
    settings: { ...rate("writes", 300), ...seconds(1_200), ...p99(500) },
  },
  {
    name: "read-heavy",
    description: "many cached reads, few writes",
    settings: {
      ...rate("reads", 500),
      products: "products that are read (200)",
      ...seconds(30),
      "read-p99-ms": "duration that 99 % of the reads must stay below, in milliseconds (50)",
    },
  },
];
