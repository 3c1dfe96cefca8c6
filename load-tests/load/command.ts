/** The command line of `bun run load`. */
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { loadProject } from "../../platform/project-file.ts";
import { errorText } from "../../stack/error-text.ts";
import { processesOf } from "../bench/connect-stack.ts";
import { type Workload, workloadOf } from "../workload/workload.ts";
import { k6Binary } from "./k6-binary.ts";
import { k6Workload } from "./k6-workload.ts";
import { MemoryWatch } from "./memory-watch.ts";
import { type K6Result, runK6, THRESHOLDS_MISSED } from "./run-k6.ts";
import { type Script, scripts } from "./scripts.ts";
import { checkSoak } from "./soak-checks.ts";
import { findTarget, type Target, type TargetFlags } from "./target.ts";

const DEFAULT_REPORTS = join(import.meta.dir, "../reports");

type Flags = TargetFlags & { readonly prometheus?: string; readonly reports: string } & Readonly<
    Record<string, unknown>
  >;

const print = (line: string): void => console.error(line);

const positive = (text: string): string => {
  if (!/^\d+(\.\d+)?$/.test(text) || Number(text) === 0) throw new InvalidArgumentError("must be a number above 0");
  return text;
};

const camel = (flag: string): string => flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

/** `--p95-ms 80` → `P95_MS=80`, for the flags that are set. */
const settingsOf = (script: Script, flags: Flags): Record<string, string> =>
  Object.fromEntries(
    Object.keys(script.settings).flatMap((flag) => {
      const value = flags[camel(flag)];
      return value === undefined ? [] : [[flag.toUpperCase().replaceAll("-", "_"), String(value)]];
    }),
  );

/** @returns the exit status: 0 when all thresholds held, 1 when not. */
async function load(script: Script, flags: Flags, k6Flags: readonly string[]): Promise<number> {
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interrupted.abort());
  const workload = await workloadOf(await loadProject());
  const k6 = await k6Binary();
  const target = withReplicasOf(workload, await findTarget(flags));
  try {
    const prometheus = flags.prometheus ?? target.prometheus;
    print(`running ${script.name} on ${target.label}${prometheus ? `, metrics to ${prometheus}` : ""}`);
    const watch = script.name === "soak" && target.status ? new MemoryWatch(processesOf(target.status)) : undefined;
    const run = {
      script: script.name,
      settings: settingsOf(script, flags),
      workload: k6Workload(workload),
      target,
      prometheus,
      reports: flags.reports,
      k6Flags,
    };
    const result = await runK6(k6, run, interrupted.signal);
    const passed = await hasPassed(script, target, result, watch);
    for (const file of result.files) print(`report: ${file}`);
    return passed && !interrupted.signal.aborted ? 0 : 1;
  } finally {
    await target.stop();
  }
}

/** Only the replicas that keep the entity: others never show a write. */
function withReplicasOf({ entity }: Workload, target: Target): Target {
  const isOfEntity = (pair: string) => entity.replicas.some(({ name }) => name === pair.split("=")[0]);
  return { ...target, replicas: target.replicas.split(",").filter(isOfEntity).join(",") };
}

async function hasPassed(
  script: Script,
  target: Target,
  { status, report }: K6Result,
  watch: MemoryWatch | undefined,
): Promise<boolean> {
  if (status !== 0 && status !== THRESHOLDS_MISSED) {
    print(`k6 ended with status ${status}`);
    return false;
  }
  // The breakpoint test always misses thresholds: that is how it ends.
  if (script.name === "breakpoint") return (report?.sustainedWritesPerSecond ?? 0) > 0;
  if (!watch || !target.status) return status === 0;
  return (await checkSoak(target.status, watch.stop(), print)) && status === 0;
}

function addScript(program: Command, script: Script, finish: (status: number) => void): void {
  const command = program
    .command(script.name)
    .description(script.description)
    .argument("[k6-flags...]", "flags for k6 itself, after --")
    .option("--data <dir>", "use the stack on this folder (default: the one on .lockstep, or a temporary stack)")
    .option("--own", "use a temporary stack, even when one runs")
    .option("--gateway <url>", "use this gateway: base URL, or several separated by commas")
    .option("--replicas <list>", "with --gateway: catalog=http://…,storefront=http://…")
    .option("--prometheus <url>", "write k6's metrics to this Prometheus, for the dashboard")
    .option("--reports <dir>", "folder for the HTML and JSON reports", DEFAULT_REPORTS)
    .option("--instances <list>", "instances of a temporary stack, as for `bun run up`")
    .option("--brokers <n>", "brokers of a temporary stack, 1 or 3")
    .option("--partitions <n>", "partitions of a temporary stack");
  for (const [flag, description] of Object.entries(script.settings))
    command.option(`--${flag} <n>`, description, positive);
  command.action(async (k6Flags: string[], flags: Flags) => finish(await load(script, flags, k6Flags)));
}

/** Runs the command of this process's arguments, and ends the process. */
export async function runCommand(): Promise<void> {
  const program = new Command("load")
    .description("Runs a load test with k6 and writes a summary, an HTML report and a JSON report.")
    .showHelpAfterError();
  program
    .command("workload")
    .description("prints the documents and changes that the tests write, for k6 without this command: WORKLOAD_FILE")
    .action(async () => console.log(k6Workload(await workloadOf(await loadProject()))));
  for (const script of scripts) addScript(program, script, (status) => process.exit(status));
  try {
    await program.parseAsync();
  } catch (error) {
    console.error(`load: ${errorText(error)}`);
    process.exit(1);
  }
}
