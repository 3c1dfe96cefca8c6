/** The command line of `bun run bench`. */
import { Command, InvalidArgumentError, Option } from "commander";
import type { Schemas } from "./limit.ts";
import { report } from "./report.ts";
import { type BenchOptions, measureLimit, measureStack, type Parts } from "./run.ts";

type Flags = BenchOptions & { readonly json?: string; readonly limit?: boolean };

const print = (line: string) => console.error(`${new Date().toISOString().slice(11, 19)} ${line}`);

const wholeNumber = (min: number, max: number) => (text: string) => {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max)
    throw new InvalidArgumentError(`must be a whole number from ${min} to ${max}`);
  return value;
};

/** Parses ascending numbers, separated by commas. @throws {InvalidArgumentError} */
function parseCounts(text: string): number[] {
  const counts = text.split(",").map(wholeNumber(1_000, 10_000_000));
  if (counts.some((n, i) => n <= (counts[i - 1] ?? 0))) throw new InvalidArgumentError("numbers must be ascending");
  return counts;
}

const ALL_PARTS: Parts = { rates: [200, 1_000], bulk: true };

/** Parses rates and `bulk`, separated by commas. @throws {InvalidArgumentError} */
function parseParts(text: string): Parts {
  const parts = text.split(",");
  const rates = parts.filter((part) => part !== "bulk").map(wholeNumber(1, 20_000));
  return { rates, bulk: parts.includes("bulk") };
}

/**
 * Runs the command of this process's arguments. Sets exit status 1 when source and replicas differ at the end.
 *
 * @param schemas the project, and its migrations for `--limit`.
 */
export async function runBenchCommand(schemas: Schemas): Promise<void> {
  const program = new Command("bench")
    .description(
      "Measures latency from request to response, from commit to commit and from commit to Redis, bulk rate, CPU and memory.",
    )
    .option("--json <file>", "also write the result as JSON")
    .option("--data <dir>", "measure the stack that runs on this folder instead of a temporary one")
    .addOption(
      new Option("--only <parts>", "parts to run: rates in writes per second, and bulk")
        .argParser(parseParts)
        .default(ALL_PARTS, "200,1000,bulk"),
    )
    .option("--seconds <n>", "measured seconds at each rate", wholeNumber(1, 86_400), 30)
    .option("--rows <n>", "row changes of the bulk", wholeNumber(1_000, 10_000_000), 100_000)
    .option(
      "--products <counts>",
      "instead: measure a temporary stack with each of these numbers of products, as 10000,100000",
      parseCounts,
    )
    .option(
      "--away <seconds>",
      "instead: suspend a replica for this time and measure how it catches up",
      wholeNumber(1, 3_600),
    )
    .option("--limit", "instead: measure PostgreSQL's own logical replication to two subscribers, with writes by SQL")
    .option("--brokers <n>", "brokers of the temporary stack, 1 or 3", "1")
    .option("--instances <list>", "instances of the temporary stack, as for `bun run up`")
    .option("--partitions <n>", "partitions of the temporary stack, as for `bun run up`")
    .action(async (flags: Flags) => {
      if (flags.products && flags.data) program.error("--products uses a temporary stack: omit --data");
      if (flags.limit && (flags.data || flags.products || flags.away))
        program.error("--limit uses no stack: omit --data, --products and --away");
      const result = await (flags.limit
        ? measureLimit(schemas, flags, print)
        : measureStack(schemas.project, flags, print));
      console.log(report(result));
      if (flags.json) await Bun.write(flags.json, `${JSON.stringify(result, null, 2)}\n`);
      if (!result.equal) process.exitCode = 1;
    });
  await program.parseAsync();
}
