/** The command line of the simulation: runs seeds one after the other, and prints what broke a promise. */
import { Command, InvalidArgumentError } from "commander";
import { realMs, realSetImmediate } from "./globals.ts";
import { type RunResult, runSeed } from "./run-seed.ts";
import type { TraceLine } from "./world.ts";

/** Lines of a trace that are printed without `--trace`. */
const SHORT_TRACE = 40;
/** Failed seeds that are explained; more are only counted. */
const MAX_EXPLAINED = 5;

interface Options {
  readonly seeds: number;
  readonly from: number;
  readonly seed?: number;
  readonly trace?: true;
  readonly untilFailure?: true;
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError("It must be a whole number.");
  return value;
}

/** Parses the command line and runs. */
export function simulate(): void {
  const options = new Command("simulate")
    .description("Runs relay, stream and replicas on a virtual clock, with everything that may go wrong.")
    .option("--seeds <number>", "how many seeds to run", wholeNumber, 1_000)
    .option("--from <seed>", "the first seed", wholeNumber, 1)
    .option("--seed <seed>", "run this seed only", wholeNumber)
    .option("--trace", "print everything that happens")
    .option("--until-failure", "end at the first seed that breaks a promise")
    .parse()
    .opts<Options>();
  new Simulation(options).next();
}

class Simulation {
  private readonly startMs = realMs();
  private readonly last: number;
  private seed: number;
  private ran = 0;
  private failed = 0;
  private events = 0;

  constructor(private readonly options: Options) {
    this.seed = options.seed ?? options.from;
    this.last = options.seed ?? options.from + options.seeds - 1;
    // A stack takes as long as many events.
    if (!options.trace) Error.stackTraceLimit = 0;
    process.on("unhandledRejection", (error) => {
      const { stack } = error instanceof Error ? error : { stack: String(error) };
      this.report(this.seed - 1, [`a promise was rejected and nobody noticed: ${stack}`]);
    });
  }

  /** Each seed is a task of its own, so that an unhandled rejection is known before the next one. */
  readonly next = (): void => {
    const { trace, untilFailure } = this.options;
    if (this.seed > this.last || (untilFailure && this.failed > 0)) this.finish();
    const seed = this.seed++;
    const result = runSeed(seed, trace);
    this.ran++;
    this.events += result.events;
    if (trace) for (const line of result.trace) console.log(formatLine(line));
    if (result.violations.length > 0) this.report(seed, result.violations);
    realSetImmediate(this.next);
  };

  private report(seed: number, violations: readonly string[]): void {
    this.failed++;
    if (this.failed > MAX_EXPLAINED) return;
    console.log(`\nseed ${seed}\n  ${violations.join("\n  ")}`);
    if (!this.options.trace) for (const line of shortTrace(runSeed(seed, true), violations)) console.log(`    ${line}`);
    console.log(`  repeat it: bun run simulate --seed ${seed} --trace`);
  }

  private finish(): never {
    const seconds = (realMs() - this.startMs) / 1_000;
    const rate = `${(this.ran / seconds).toFixed(0)} seeds/s`;
    const perSeed = `${Math.round(this.events / this.ran)} events each`;
    // The output of one seed has nothing that differs from run to run.
    if (this.options.seed === undefined)
      console.log(`${this.ran} seeds, ${this.failed} broke a promise (${seconds.toFixed(1)} s, ${rate}, ${perSeed})`);
    process.exit(this.failed > 0 ? 1 : 0);
  }
}

const formatLine = ({ atMs, process, text }: TraceLine): string =>
  `${atMs.toFixed(1).padStart(9)} ms  ${process.padEnd(12)} ${text}`;

/** The last lines about the product that the first violation names, with what happened to the processes. */
function shortTrace({ trace, ids }: RunResult, [violation = ""]: readonly string[]): string[] {
  const others = ids.filter((id) => !violation.includes(id));
  const named = others.length < ids.length;
  const relevant = trace.filter(({ text }) => !named || !others.some((id) => text.includes(id)));
  return relevant.slice(-SHORT_TRACE).map(formatLine);
}
