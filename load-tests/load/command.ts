/** The command line of `bun run load`. */
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { UserError } from "../../contracts/errors.ts";
import { processesOf } from "../bench/subject.ts";
import { afterwards } from "./afterwards.ts";
import { k6Binary } from "./k6-binary.ts";
import { MemoryWatch } from "./memory-watch.ts";
import { type Ended, runK6, THRESHOLDS_MISSED } from "./run-k6.ts";
import { type Script, scripts } from "./scripts.ts";
import { findTarget, type Target, type TargetFlags } from "./target.ts";

const DEFAULT_REPORTS = join(import.meta.dir, "../reports");

type Flags = TargetFlags & { readonly prometheus?: string; readonly reports: string } & Readonly<
    Record<string, unknown>
  >;

const say = (line: string): void => console.error(line);

const positive = (text: string): string => {
  if (!/^\d+(\.\d+)?$/.test(text) || Number(text) === 0) throw new InvalidArgumentError("must be a number above 0");
  return text;
};

const camel = (flag: string): string => flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

/** `--p95-ms 80` → `P95_MS=80`, for those that were given. */
const settingsOf = (script: Script, flags: Flags): Record<string, string> =>
  Object.fromEntries(
    Object.keys(script.settings).flatMap((flag) => {
      const value = flags[camel(flag)];
      return value === undefined ? [] : [[flag.toUpperCase().replaceAll("-", "_"), String(value)]];
    }),
  );

/** @returns the exit status: 0 when all thresholds held, 1 when not. */
async function load(script: Script, flags: Flags, further: readonly string[]): Promise<number> {
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interrupted.abort());
  const k6 = await k6Binary();
  const target = await findTarget(flags);
  try {
    const prometheus = flags.prometheus ?? target.prometheus;
    say(`${script.name} against ${target.what}${prometheus ? `, metrics to ${prometheus}` : ""}`);
    const watch = script.name === "soak" && target.status ? new MemoryWatch(processesOf(target.status)) : undefined;
    const run = {
      script: script.name,
      settings: settingsOf(script, flags),
      target,
      prometheus,
      reports: flags.reports,
      further,
    };
    const ended = await runK6(k6, run, interrupted.signal);
    const sound = await judge(script, target, ended, watch);
    for (const file of ended.files) say(`report: ${file}`);
    return sound && !interrupted.signal.aborted ? 0 : 1;
  } finally {
    await target.end();
  }
}

async function judge(
  script: Script,
  target: Target,
  { status, report }: Ended,
  watch: MemoryWatch | undefined,
): Promise<boolean> {
  if (status !== 0 && status !== THRESHOLDS_MISSED) {
    say(`k6 ended with status ${status}`);
    return false;
  }
  // Going on until it breaks is what this one is for.
  if (script.name === "breakpoint") return (report?.sustainedWritesPerSecond ?? 0) > 0;
  if (!watch || !target.status) return status === 0;
  return (await afterwards(target.status, watch.stop(), say)) && status === 0;
}

function add(program: Command, script: Script, finish: (status: number) => void): void {
  const command = program
    .command(script.name)
    .description(script.description)
    .argument("[k6-flags...]", "after --: flags for k6 itself")
    .option("--data <dir>", "the stack that runs on this folder; default: the one on .lockstep, else one of its own")
    .option("--own", "a stack of its own, also when one runs")
    .option("--gateway <url>", "base URL of a gateway that runs anywhere, or several with commas")
    .option("--replicas <list>", "with --gateway: catalog=http://…,storefront=http://…")
    .option("--prometheus <url>", "writes k6's metrics to this Prometheus, for the dashboard")
    .option("--reports <dir>", "where the HTML and JSON reports go", DEFAULT_REPORTS)
    .option("--instances <list>", "of a stack of its own, as for `bun run up`")
    .option("--brokers <n>", "of a stack of its own, 1 or 3")
    .option("--partitions <n>", "of a stack of its own");
  for (const [flag, description] of Object.entries(script.settings))
    command.option(`--${flag} <n>`, description, positive);
  command.action(async (further: string[], flags: Flags) => finish(await load(script, flags, further)));
}

/** Runs the command that the process was started with, and ends the process. */
export async function runCommand(): Promise<void> {
  const program = new Command("load")
    .description("Load tests with k6, with a summary, an HTML and a JSON report.")
    .showHelpAfterError();
  for (const script of scripts) add(program, script, (status) => process.exit(status));
  try {
    await program.parseAsync();
  } catch (error) {
    console.error(
      `load: ${error instanceof UserError ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
    process.exit(1);
  }
}
