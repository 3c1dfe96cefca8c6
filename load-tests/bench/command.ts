/** The command line of `bun run bench`. */
import { Command, InvalidArgumentError, Option } from "commander";
import type { Schemas } from "./peers/peer-servers.ts";
import { report } from "./report.ts";
import { type BenchOptions, measure, type Part } from "./run.ts";

type Flags = BenchOptions & { readonly json?: string };

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

const NAMED_PARTS = ["idle", "bulk", "clients"] as const;
const isNamedPart = (text: string): text is (typeof NAMED_PARTS)[number] => NAMED_PARTS.some((name) => name === text);

/** Parses rates and names of parts, separated by commas. @throws {InvalidArgumentError} */
export const parseParts = (text: string): Part[] =>
  text.split(",").map((part) => (isNamedPart(part) ? part : wholeNumber(1, 20_000)(part)));

const PEERS = ["pglogical", "dual-write"] as const;

/** Parses names of peers, separated by commas. @throws {InvalidArgumentError} */
export const parsePeers = (text: string): (typeof PEERS)[number][] =>
  text.split(",").map((name) => {
    const peer = PEERS.find((known) => known === name);
    if (!peer) throw new InvalidArgumentError(`must be ${PEERS.join(" or ")}, or both with a comma`);
    return peer;
  });

const DEFAULT_PARTS: Part[] = ["idle", 50, 200, 1_000, "bulk", "clients"];
const PARTS_AGAINST: Part[] = [200, 1_000, "bulk", "clients"];

const TIMES = `
Parts:
  idle       20 s without writes, on warm processes only
  a number   writes per second by HTTP at a constant rate
  bulk       row changes by SQL, until all replicas have them
  clients    64 clients by HTTP, each waiting for its answer, on warm processes only

Times on two cores: about 10 minutes with the defaults, 5 minutes with --processes warm. With --against a round of
three systems takes about 8 minutes with the default seconds, so 25 minutes for the 3 rounds; --seconds 10 --warm-up 20
--rounds 1 take 4 minutes.`;

/** The command line. @param run measures, and prints the result. */
export function benchProgram(run: (flags: Flags) => Promise<void>): Command {
  const program = new Command("bench")
    .description(
      "Measures CPU, context switches, system calls and broker requests per write of each process, latency from request to response, from commit to commit and from commit to Redis, bulk rate and memory.",
    )
    .option("--json <file>", "also write the result as JSON")
    .option("--data <dir>", "measure the stack that runs on this folder instead of temporary ones; implies warm")
    .addOption(
      new Option("--only <parts>", "parts to run, in this order: see below")
        .argParser(parseParts)
        .default(DEFAULT_PARTS, `${DEFAULT_PARTS.join(",")}; with --against ${PARTS_AGAINST.join(",")}`),
    )
    .addOption(
      new Option("--processes <state>", "new: a stack for each part; warm: one stack, after the warm-up")
        .choices(["new", "warm", "both"])
        .default("both"),
    )
    .option("--warm-up <seconds>", "writes at 200/s that make processes warm; 0: none", wholeNumber(0, 3_600), 60)
    .option("--seconds <n>", "measured seconds at each rate", wholeNumber(1, 86_400), 20)
    .option(
      "--observe <seconds>",
      "writes after each measured rate, to count system calls and poll the caches; 0: neither",
      wholeNumber(0, 3_600),
      8,
    )
    .option("--rows <n>", "row changes of the bulk", wholeNumber(1_000, 10_000_000), 100_000)
    .option("--writes <n>", "writes of the clients", wholeNumber(64, 10_000_000), 30_000)
    .option(
      "--against <systems>",
      "also measure these systems with the same writes, in turns, on warm processes: pglogical (PostgreSQL's own logical replication to two copies, by SQL), dual-write (a front that writes to PostgreSQL and then to a broker, and one copy)",
      parsePeers,
    )
    .option("--rounds <n>", "rounds with --against; the report has medians and ranges", wholeNumber(1, 100), 3)
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
    .option("--brokers <n>", "brokers of the temporary stack, 1 or 3", "1")
    .option("--instances <list>", "instances of the temporary stack, as for `bun run up`")
    .option("--partitions <n>", "partitions of the temporary stack, as for `bun run up`")
    .addHelpText("after", TIMES);
  return program.action(async (flags: Flags) => {
    const given = (option: string) => program.getOptionValueSource(option) === "cli";
    if (flags.products && flags.data) program.error("--products uses a temporary stack: omit --data");
    if (flags.data && given("processes") && flags.processes !== "warm")
      program.error("--data measures a stack that runs, so its processes are not new: omit --processes");
    if (flags.against && (flags.data || flags.products || flags.away))
      program.error("--against uses temporary systems: omit --data, --products and --away");
    if (flags.against && given("processes")) program.error("--against measures warm processes: omit --processes");
    if (!flags.against && given("rounds")) program.error("--rounds needs --against: omit it, or add that");
    await run({
      ...flags,
      only: flags.against && !given("only") ? PARTS_AGAINST : flags.only,
      processes: flags.data ? "warm" : flags.processes,
      rounds: flags.against ? flags.rounds : 1,
    });
  });
}

/**
 * Runs the command of this process's arguments. Sets exit status 1 when source and replicas differ at the end.
 *
 * @param schemas the project, and its migrations for `--against`.
 */
export async function runBenchCommand(schemas: Schemas): Promise<void> {
  const run = async ({ json, ...options }: Flags) => {
    const result = await measure(schemas, options, print);
    console.log(report(result));
    if (json) await Bun.write(json, `${JSON.stringify(result, null, 2)}\n`);
    if (!result.equal) process.exitCode = 1;
  };
  await benchProgram(run).parseAsync();
}
