/** The command line of `bun run bench`. */
import { cpus, loadavg, release, totalmem } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import { catchUpPhase } from "./catch-up.ts";
import { growth } from "./growth.ts";
import { type Schemas, startLimit } from "./limit.ts";
import { LimitMeasurement } from "./limit-measurement.ts";
import { Measurement, type Measuring, type Subject } from "./measure.ts";
import { bulkPhase, httpPhase } from "./phases.ts";
import { report } from "./report.ts";
import type { BenchResult, BulkPhase, HttpPhase } from "./result.ts";
import { attach, type RunningStack, startOwn, tokenFor } from "./running-stack.ts";
import { subjectOf } from "./subject.ts";

const say = (line: string) => console.error(`${new Date().toISOString().slice(11, 19)} ${line}`);

const wholeNumber = (min: number, max: number) => (text: string) => {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max)
    throw new InvalidArgumentError(`must be a whole number from ${min} to ${max}`);
  return value;
};

interface Options {
  readonly json?: string;
  readonly data?: string;
  readonly only: Parts;
  readonly seconds: number;
  readonly rows: number;
  readonly brokers: string;
  readonly instances?: string;
  readonly partitions?: string;
  readonly products?: readonly number[];
  readonly away?: number;
  readonly limit?: boolean;
}

/** @throws {InvalidArgumentError} for anything else than numbers in rising order, separated by commas. */
function rising(counts: string): number[] {
  const numbers = counts.split(",").map(wholeNumber(1_000, 10_000_000));
  if (numbers.some((n, i) => n <= (numbers[i - 1] ?? 0))) throw new InvalidArgumentError("must rise");
  return numbers;
}

const ALL: Parts = { rates: [200, 1_000], bulk: true };

/** Rates of writes per second, and whether the bulk. */
interface Parts {
  readonly rates: readonly number[];
  readonly bulk: boolean;
}

/** @throws {InvalidArgumentError} for anything else than rates and "bulk", separated by commas. */
function chosen(only: string): Parts {
  const parts = only.split(",");
  const rates = parts.filter((part) => part !== "bulk").map(wholeNumber(1, 20_000));
  return { rates, bulk: parts.includes("bulk") };
}

const ours = new Set(["gateway", "relay", "stream", "replica"]);

/** Starts what is to be ended whatever comes, also Ctrl-C, be it while it still starts. */
async function during<Started extends { end(): Promise<void> }, T>(
  start: (interrupted: AbortSignal) => Promise<Started>,
  work: (started: Started) => Promise<T>,
): Promise<T> {
  const interrupted = new AbortController();
  let started: Started | undefined;
  for (const signal of ["SIGINT", "SIGTERM"])
    process.once(signal, () => {
      say("interrupted");
      interrupted.abort(new Error("interrupted"));
      void started?.end().finally(() => process.exit(130));
    });
  try {
    started = await start(interrupted.signal);
    interrupted.signal.throwIfAborted();
    return await work(started);
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
  } finally {
    await started?.end();
  }
  return process.exit(130);
}

async function measureStack(options: Options): Promise<BenchResult> {
  const flags = [
    ...["--brokers", options.brokers],
    ...(options.instances ? ["--instances", options.instances] : []),
    ...(options.partitions ? ["--partitions", options.partitions] : []),
  ];
  return during(
    (interrupted) => (options.data ? attach(options.data) : startOwn(flags, interrupted)),
    (stack) => measureRunning(stack, options),
  );
}

async function measureRunning({ data, status }: RunningStack, options: Options): Promise<BenchResult> {
  await using subject = await subjectOf(status, await tokenFor(data));
  const brokers = status.services.filter(({ kind }) => kind === "broker").length;
  // Awaited here: the subject is let go of at the end of this block.
  return await measure({ subject, data, brokers, measuring: () => new Measurement(subject) }, options);
}

async function measureLimit(options: Options, schemas: Schemas): Promise<BenchResult> {
  return during(
    (interrupted) => startLimit(schemas, interrupted),
    (limit) => measure({ subject: limit, data: "", brokers: 0, measuring: () => new LimitMeasurement(limit) }, options),
  );
}

interface Measured {
  readonly subject: Subject;
  /** Folder of the stack. */
  readonly data: string;
  readonly brokers: number;
  /** A new one for each phase. */
  readonly measuring: () => Measuring;
}

async function measure({ subject, data, brokers, measuring }: Measured, options: Options): Promise<BenchResult> {
  const { rates, bulk: withBulk } = options.products || options.away ? { rates: [], bulk: false } : options.only;
  const loadBefore = loadavg()[0] ?? 0;
  const http: HttpPhase[] = [];
  for (const rate of rates) http.push(await httpPhase(subject, rate, options.seconds, say, measuring()));
  const bulk: BulkPhase | null = withBulk ? await bulkPhase(subject, options.rows, say, measuring()) : null;
  const grown = options.products ? await growth(data, options.products, options.seconds, say) : [];
  const away = options.away ? await catchUpPhase(subject, options.away, say, measuring()) : null;
  const phases = [...http, ...(away ? [away.phase] : []), ...(bulk ? [bulk] : []), ...grown.map(({ phase }) => phase)];
  const last = phases.at(-1)?.processes ?? [];
  return {
    at: new Date().toISOString(),
    machine: {
      cpus: cpus().length,
      model: cpus()[0]?.model ?? "unknown",
      memoryGb: Math.round(totalmem() / 1e9),
      kernel: release(),
      bun: Bun.version,
      loadBefore,
    },
    brokers,
    http,
    bulk,
    away,
    growth: grown,
    servicesMemoryMb: last.filter(({ kind }) => ours.has(kind)).reduce((sum, { memoryMb }) => sum + memoryMb, 0),
    equal: phases.every(({ differences }) => differences.length === 0) && grown.every(({ equal }) => equal),
  };
}

/** Runs the command that the process was started with. @param schemas for `--limit`. */
export async function runBenchCommand(schemas: Schemas): Promise<void> {
  const program = new Command("bench")
    .description(
      "Measures acknowledgement, commit-to-commit and commit-to-readable latency, bulk rate, CPU and memory.",
    )
    .option("--json <file>", "also write the result as JSON")
    .option("--data <dir>", "measure the stack that runs on this folder instead of one of its own")
    .addOption(
      new Option("--only <parts>", "parts to run: rates in writes per second, and bulk")
        .argParser(chosen)
        .default(ALL, "200,1000,bulk"),
    )
    .option("--seconds <n>", "measured seconds at each rate", wholeNumber(1, 86_400), 30)
    .option("--rows <n>", "row changes of the bulk", wholeNumber(1_000, 10_000_000), 100_000)
    .option("--products <counts>", "instead: with so many products each, 10000,100000, in a stack of its own", rising)
    .option("--away <seconds>", "instead: how a replica catches up that was away for so long", wholeNumber(1, 3_600))
    .option("--limit", "instead of a stack: PostgreSQL's own logical replication to two copies, written to by SQL")
    .option("--brokers <n>", "brokers of its own stack, 1 or 3", "1")
    .option("--instances <list>", "instances of its own stack, as for `bun run up`")
    .option("--partitions <n>", "partitions of its own stack, as for `bun run up`")
    .action(async (options: Options) => {
      if (options.products && options.data) program.error("--products needs a stack of its own: leave out --data");
      if (options.limit && (options.data || options.products || options.away))
        program.error("--limit needs no stack: leave out --data, --products and --away");
      const result = await (options.limit ? measureLimit(options, schemas) : measureStack(options));
      console.log(report(result));
      if (options.json) await Bun.write(options.json, `${JSON.stringify(result, null, 2)}\n`);
      if (!result.equal) process.exitCode = 1;
    });
  await program.parseAsync();
}
