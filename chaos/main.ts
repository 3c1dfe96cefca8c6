/** `bun run chaos`: breaks a running system in a seeded way, and judges whether the promises held. */
import { writeFileSync } from "node:fs";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { integerParser, messageOf } from "../operations/verb.ts";
import { SettingsError } from "../platform/settings/settings.ts";
import { table } from "../platform/table.ts";
import { UsageError } from "../stack/options.ts";
import { announcement, claimSystem, confirm, permittedFaults } from "./consent.ts";
import type { Fault } from "./fault.ts";
import { faults as allFaults } from "./faults/index.ts";
import { seedOfRun } from "./random.ts";
import { keepFailure, type RunSummary, summaryOf, verdictText } from "./report.ts";
import { runChaos } from "./run.ts";
import { flagsOf, openSystem, type SystemFlags } from "./systems/open.ts";

/** Exit status by outcome. */
const EXIT = { held: 0, violated: 1, usage: 2, unjudged: 3, interrupted: 130 } as const;
/** One Ctrl-C can arrive several times: from the terminal, and forwarded by npx. Milliseconds. */
const SAME_SIGNAL_MS = 1_000;
const MAX_SEED = 2_147_483_647;

interface Flags extends SystemFlags {
  readonly seed: number;
  readonly seconds: number;
  readonly runs: number;
  readonly faults: readonly Fault[];
  readonly rate: number;
  readonly allowDataLoss?: boolean;
  readonly yes?: boolean;
  readonly json?: string;
  readonly keep: string;
  readonly list?: boolean;
}

/** `kill,suspended` or `all` → faults, in the order of all faults. */
function parseFaults(value: string): readonly Fault[] {
  if (value === "all") return allFaults;
  const names = value.split(",");
  for (const name of names)
    if (!allFaults.some((fault) => fault.name === name))
      throw new InvalidArgumentError(`there is no fault ${JSON.stringify(name)}; see --list`);
  return allFaults.filter(({ name }) => names.includes(name));
}

const program = (): Command =>
  new Command("chaos")
    .description("Runs clients and random faults against Lockstep, and checks that every promise holds.")
    .option("--seed <n>", "chooses faults and writes; default: a random one", integerParser(0, MAX_SEED))
    .option("--seconds <n>", "duration of a run, without the start and the final checks", integerParser(5, 86_400), 60)
    .option(
      "--runs <n>",
      "runs one after the other; run 2 and later have seeds of their own",
      integerParser(1, 100_000),
      1,
    )
    .addOption(
      new Option("--faults <names>", "kinds of faults: kill,suspended")
        .argParser(parseFaults)
        .default(allFaults, "all"),
    )
    .option("--rate <n>", "writes per second", integerParser(1, 10_000), 50)
    .addOption(
      new Option("--brokers <n>", "brokers of the stack that chaos starts (default: 1)")
        .choices(["1", "3"])
        .conflicts(["data", "compose", "own"]),
    )
    .addOption(
      new Option("--instances <list>", "instances of its services")
        .default("relay=2,stream=2,catalog=2")
        .conflicts(["data", "compose", "own"]),
    )
    .addOption(
      new Option(
        "--data <dir>",
        "use the running stack of this folder; default: start one in a temporary folder",
      ).conflicts(["compose", "own"]),
    )
    .addOption(new Option("--compose", "use the containers of docker compose up").conflicts("own"))
    .option("--docker <command>", "the command for Docker", "docker")
    .option("--own", "use the servers and services that the settings name, as the verbs do")
    .option("--allow-data-loss", "with --own: allow named faults that lose data")
    .option("--yes", "with --own: do not ask")
    .option("--json <file>", "write a summary of each run as JSON")
    .option("--keep <dir>", "folder for chaos-<seed>, which holds logs and history of a run that failed", ".")
    .option("--list", "list all faults")
    .showHelpAfterError()
    .exitOverride();

/** The command that repeats a run. */
function repeatCommand(seed: number, flags: Flags): string {
  const { seconds, rate, faults } = flags;
  const names = faults.length === allFaults.length ? "all" : faults.map(({ name }) => name).join(",");
  return `bun run chaos --seed ${seed} --seconds ${seconds} --rate ${rate} --faults ${names} ${flagsOf(flags)}`;
}

/** Runs the command. @returns the exit status. */
async function chaos(flags: Flags, signal: AbortSignal): Promise<number> {
  const print = (line: string) => console.log(line);
  const summaries: RunSummary[] = [];
  writeSummaries(summaries, flags.json);
  const firstSeed = flags.seed ?? Math.floor(Math.random() * MAX_SEED);
  await using system = await openSystem(flags, flags.faults, print);
  const consent = { areNamed: flags.faults !== allFaults, allowDataLoss: flags.allowDataLoss ?? false };
  const faults = permittedFaults(system, flags.faults, consent);
  if (system.kind === "own") {
    print(announcement(system, { ...flags, faults }));
    if (!flags.yes) await confirm();
  }
  await using _claim = await claimSystem(system);
  for (let n = 1; n <= flags.runs; n++) {
    const seed = seedOfRun(firstSeed, n);
    const { seconds, rate } = flags;
    print(`run ${n} of ${flags.runs}: seed ${seed}, ${seconds} s, ${rate} writes/s`);
    const result = await runChaos({ system, seed, seconds, rate, faults, print, signal });
    const text = verdictText(result, repeatCommand(seed, flags));
    print(text);
    summaries.push(summaryOf(result));
    writeSummaries(summaries, flags.json);
    if (result.violations.length === 0) continue;
    print(`logs and history: ${await keepFailure(system, result, flags.keep, text)}`);
    return EXIT.violated;
  }
  return EXIT.held;
}

/** @throws {UsageError} when the file cannot be written. */
function writeSummaries(summaries: readonly RunSummary[], file: string | undefined): void {
  if (file === undefined) return;
  try {
    writeFileSync(file, `${JSON.stringify(summaries, null, 2)}\n`);
  } catch (error) {
    throw new UsageError(`--json ${file}: ${(error as Error).message}`);
  }
}

function listFaults(): void {
  const rows = allFaults.map(({ name, summary, lastsMs: [min, max], destroys }) => [
    name,
    max === 0 ? "a moment" : `${min / 1000} to ${max / 1000} s`,
    `${summary}${destroys ? " Loses data." : ""}`,
  ]);
  console.log(table([["FAULT", "LASTS", "WHAT HAPPENS"], ...rows]));
}

async function main(): Promise<number> {
  const interrupt = new AbortController();
  let interruptedAt = Number.POSITIVE_INFINITY;
  for (const name of ["SIGINT", "SIGTERM"] as const)
    process.on(name, () => {
      if (performance.now() - interruptedAt > SAME_SIGNAL_MS) process.exit(EXIT.interrupted);
      if (interrupt.signal.aborted) return;
      interruptedAt = performance.now();
      console.error("chaos: ending all faults; a second Ctrl-C ends chaos at once, and restores nothing");
      interrupt.abort();
    });
  let flags: Flags;
  try {
    flags = program().parse().opts<Flags>();
  } catch (error) {
    return error instanceof CommanderError && error.exitCode === 0 ? EXIT.held : EXIT.usage;
  }
  if (flags.list) {
    listFaults();
    return EXIT.held;
  }
  try {
    return await chaos(flags, interrupt.signal);
  } catch (error) {
    if (interrupt.signal.aborted) return EXIT.interrupted;
    if (error instanceof UsageError || error instanceof SettingsError) {
      console.error(`chaos: ${error.message}`);
      return EXIT.usage;
    }
    console.error(`chaos: the system could not be judged: ${messageOf(error)}`);
    return EXIT.unjudged;
  }
}

process.exit(await main());
