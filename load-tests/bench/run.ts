/** Runs the chosen phases of a bench on a stack, and on the systems that it is compared with. */
import { cpus, loadavg, release, totalmem } from "node:os";
import { workloadOf } from "../workload/workload.ts";
import { catchUpPhase } from "./catch-up.ts";
import { measureGrowth } from "./growth.ts";
import type { Schemas } from "./peers/peer-servers.ts";
import { bulkPhase, clientsPhase, idlePhase, LEAD_IN_SECONDS, type Print, ratePhase, warmUp } from "./phases.ts";
import type { AnyPhase, AwayPhase, BenchResult, GrowthPoint, SystemName, SystemRun } from "./result.ts";
import { type RunningSystem, startSystem } from "./systems.ts";

/** A part of a bench: a rate in writes per second, or one of the other phases. */
export type Part = number | "idle" | "bulk" | "clients";

/** What a bench measures. `products` and `away` replace the phases of `only`. */
export interface BenchOptions {
  /** Folder of a running stack. Default: a temporary stack. */
  readonly data?: string;
  readonly only: readonly Part[];
  /** Measured seconds at each rate. */
  readonly seconds: number;
  /** Seconds of writes after each measurement at a rate, for system calls and caches. 0: neither. */
  readonly observe: number;
  /** Row changes of the bulk. */
  readonly rows: number;
  /** Writes of all clients. */
  readonly writes: number;
  readonly processes: "new" | "warm" | "both";
  /** Seconds of writes at 200/s that make processes warm. */
  readonly warmUp: number;
  /** Systems to compare with. */
  readonly against?: readonly Exclude<SystemName, "lockstep">[];
  readonly rounds: number;
  readonly brokers: string;
  readonly instances?: string;
  readonly partitions?: string;
  /** Numbers of products to measure at, ascending. */
  readonly products?: readonly number[];
  /** Seconds for which a replica is suspended. */
  readonly away?: number;
}

const CLIENTS = 64;
const IDLE_SECONDS = 20;

/** A run of one system: what `measureRun` takes. */
interface Plan {
  readonly system: SystemName;
  readonly round: number;
  readonly state: SystemRun["state"];
  readonly parts: readonly Part[];
}

/**
 * The runs of a bench, in the order of time. New processes are measured at the rates and in the bulk, with a separate
 * stack for each. Systems that are compared take turns.
 */
export function planOf({ only, processes, against, rounds }: BenchOptions): Plan[] {
  if (against)
    return Array.from({ length: rounds }, (_, i) =>
      (["lockstep", ...against] as const).map((system): Plan => ({ system, round: i + 1, state: "warm", parts: only })),
    ).flat();
  const plans: Plan[] = [];
  if (processes !== "new") plans.push({ system: "lockstep", round: 1, state: "warm", parts: only });
  if (processes !== "warm")
    for (const part of only.filter((part) => typeof part === "number" || part === "bulk"))
      plans.push({ system: "lockstep", round: 1, state: "new", parts: [part] });
  return plans;
}

/** Measures. @throws {Error} when a system does not start, is not ready, or a phase fails. */
export async function measure(schemas: Schemas, options: BenchOptions, print: Print): Promise<BenchResult> {
  // Before a stack starts: a project may have nothing to write.
  await workloadOf(schemas.project);
  const loadBefore = currentLoad();
  const start = (system: SystemName) => (signal: AbortSignal) => {
    print(`starting ${options.data === undefined ? system : `on ${options.data}`}`);
    return startSystem(system, schemas, { ...options, flags: upFlags(options) }, signal);
  };
  const runs: SystemRun[] = [];
  let away: AwayPhase | null = null;
  let growth: GrowthPoint[] = [];
  if (options.products || options.away)
    await withInterrupt(start("lockstep"), print, async (running) => {
      const { system, data, createMeasurement } = running;
      const { products, away: awaySeconds, seconds } = options;
      if (products) growth = await measureGrowth({ data, project: system.project }, products, seconds, print);
      if (awaySeconds) away = await catchUpPhase(system, awaySeconds, print, createMeasurement());
    });
  else
    for (const plan of planOf(options)) {
      const load = currentLoad();
      const run = await withInterrupt(start(plan.system), print, (running) =>
        measureRun(running, plan, options, print),
      );
      runs.push({ ...run, loadBefore: load });
    }
  return {
    at: new Date().toISOString(),
    machine: machineOf(loadBefore),
    runs,
    away,
    growth,
    equal: isEqual(runs, away, growth),
  };
}

async function measureRun(
  { system, brokers, capturesSql, createMeasurement }: RunningSystem,
  { system: name, round, state, parts }: Plan,
  options: BenchOptions,
  print: Print,
): Promise<Omit<SystemRun, "loadBefore">> {
  const label = `${name}${options.rounds > 1 ? `, round ${round} of ${options.rounds}` : ""}, ${state} processes`;
  const printed: Print = (line) => print(`${label}: ${line}`);
  const warmUpSeconds = state === "warm" ? options.warmUp : 0;
  if (warmUpSeconds > 0) await warmUp(system, warmUpSeconds, printed);
  const leadIn = state === "warm" ? LEAD_IN_SECONDS : 0;
  const seconds = { measured: options.seconds, leadIn, observed: options.observe };
  const phases: AnyPhase[] = [];
  for (const part of parts) {
    if (part === "idle") phases.push(await idlePhase(system, IDLE_SECONDS, printed));
    else if (part === "clients") {
      const clients = { clients: CLIENTS, writes: options.writes };
      phases.push(await clientsPhase(system, clients, printed, createMeasurement()));
    } else if (part !== "bulk") phases.push(await ratePhase(system, part, seconds, printed, createMeasurement()));
    else if (capturesSql) phases.push(await bulkPhase(system, options.rows, printed, createMeasurement()));
  }
  const copies = system.replicas.map((replica) => replica.name);
  return { system: name, round, state, warmUpSeconds, copies, brokers, phases };
}

const upFlags = ({ brokers, instances, partitions }: BenchOptions): string[] => [
  ...["--brokers", brokers],
  ...(instances ? ["--instances", instances] : []),
  ...(partitions ? ["--partitions", partitions] : []),
];

const currentLoad = (): number => loadavg()[0] ?? 0;

const machineOf = (loadBefore: number): BenchResult["machine"] => ({
  cpus: cpus().length,
  model: cpus()[0]?.model ?? "unknown",
  memoryGb: Math.round(totalmem() / 1e9),
  kernel: release(),
  bun: Bun.version,
  loadBefore,
});

/** Whether the copies of every stack were equal. A peer may differ: that is one of the results. */
function isEqual(runs: readonly SystemRun[], away: AwayPhase | null, growth: readonly GrowthPoint[]): boolean {
  const phases = runs.filter(({ system }) => system === "lockstep").flatMap((run) => run.phases);
  return (
    phases.every((phase) => phase.kind === "idle" || phase.differences.length === 0) &&
    (away?.phase.differences ?? []).length === 0 &&
    growth.every((point) => point.equal)
  );
}

/**
 * Starts a resource, works with it and stops it. SIGINT or SIGTERM also stops it, even during its start, and ends the
 * process with status 130.
 */
async function withInterrupt<Resource extends { stop(): Promise<void> }, T>(
  start: (signal: AbortSignal) => Promise<Resource>,
  print: Print,
  work: (resource: Resource) => Promise<T>,
): Promise<T> {
  const interrupt = new AbortController();
  let resource: Resource | undefined;
  const onSignal = () => {
    print("interrupted");
    interrupt.abort(new Error("interrupted"));
    void resource?.stop().finally(() => process.exit(130));
  };
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, onSignal);
  try {
    resource = await start(interrupt.signal);
    interrupt.signal.throwIfAborted();
    return await work(resource);
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"]) process.off(signal, onSignal);
    await resource?.stop();
  }
  return process.exit(130);
}
