/** Runs the chosen phases of a bench on a stack or on PostgreSQL's own logical replication. */
import { cpus, loadavg, release, totalmem } from "node:os";
import type { Project } from "../../contracts/project.ts";
import { workloadOf } from "../workload/workload.ts";
import { catchUpPhase } from "./catch-up.ts";
import { connectStack } from "./connect-stack.ts";
import { measureGrowth } from "./growth.ts";
import { type Schemas, startLimit } from "./limit.ts";
import { LimitMeasurement } from "./limit-measurement.ts";
import type { PhaseMeasurement, SystemUnderTest } from "./measurement.ts";
import { bulkPhase, httpPhase, type Print } from "./phases.ts";
import type { BenchResult, BulkPhase, HttpPhase } from "./result.ts";
import { attach, type RunningStack, startTemporaryStack, tokenFor } from "./running-stack.ts";
import { StackMeasurement } from "./stack-measurement.ts";

/** Phases of a bench. */
export interface Parts {
  /** An HTTP phase for each rate, in writes per second. */
  readonly rates: readonly number[];
  readonly bulk: boolean;
}

/** What a bench measures. `products` and `away` replace the phases of `only`. */
export interface BenchOptions {
  /** Folder of a running stack. Default: a temporary stack. */
  readonly data?: string;
  readonly only: Parts;
  /** Measured seconds at each rate. */
  readonly seconds: number;
  /** Row changes of the bulk. */
  readonly rows: number;
  readonly brokers: string;
  readonly instances?: string;
  readonly partitions?: string;
  /** Numbers of products to measure at, ascending. */
  readonly products?: readonly number[];
  /** Seconds for which a replica is suspended. */
  readonly away?: number;
}

/** Measures a stack. @throws {Error} when it does not start, is not ready, or a phase fails. */
export async function measureStack(project: Project, options: BenchOptions, print: Print): Promise<BenchResult> {
  // Before a stack starts: a project may have nothing to write.
  await workloadOf(project);
  const flags = [
    ...["--brokers", options.brokers],
    ...(options.instances ? ["--instances", options.instances] : []),
    ...(options.partitions ? ["--partitions", options.partitions] : []),
  ];
  return withInterrupt(
    (signal) => (options.data ? attach(options.data) : startTemporaryStack(flags, signal)),
    (stack) => measureRunning(project, stack, options, print),
    print,
  );
}

async function measureRunning(project: Project, { data, status }: RunningStack, options: BenchOptions, print: Print) {
  await using system = await connectStack(status, project, await tokenFor(data));
  const brokers = status.services.filter(({ kind }) => kind === "broker").length;
  const target = { system, data, brokers, createMeasurement: () => new StackMeasurement(system) };
  // Awaited here, because the end of this block closes the connections.
  return await measure(target, options, print);
}

/** Measures PostgreSQL's own logical replication. @throws {Error} when a server does not start or a phase fails. */
export async function measureLimit(schemas: Schemas, options: BenchOptions, print: Print): Promise<BenchResult> {
  return withInterrupt(
    (signal) => startLimit(schemas, signal),
    (limit) => {
      const createMeasurement = () => new LimitMeasurement(limit);
      return measure({ system: limit, data: "", brokers: 0, createMeasurement }, options, print);
    },
    print,
  );
}

/**
 * Starts a resource, works with it and stops it. SIGINT or SIGTERM also stops it, even during its start, and ends the
 * process with status 130.
 */
async function withInterrupt<Resource extends { stop(): Promise<void> }, T>(
  start: (signal: AbortSignal) => Promise<Resource>,
  work: (resource: Resource) => Promise<T>,
  print: Print,
): Promise<T> {
  const interrupt = new AbortController();
  let resource: Resource | undefined;
  for (const signal of ["SIGINT", "SIGTERM"])
    process.once(signal, () => {
      print("interrupted");
      interrupt.abort(new Error("interrupted"));
      void resource?.stop().finally(() => process.exit(130));
    });
  try {
    resource = await start(interrupt.signal);
    interrupt.signal.throwIfAborted();
    return await work(resource);
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
  } finally {
    await resource?.stop();
  }
  return process.exit(130);
}

interface BenchTarget {
  readonly system: SystemUnderTest;
  /** Data folder of the stack; empty when there is no stack. */
  readonly data: string;
  readonly brokers: number;
  /** Called for each phase. */
  readonly createMeasurement: () => PhaseMeasurement;
}

const serviceKinds = new Set(["gateway", "relay", "stream", "replica"]);

async function measure(target: BenchTarget, options: BenchOptions, print: Print): Promise<BenchResult> {
  const { system, data, brokers, createMeasurement } = target;
  const { seconds, rows, products, away: awaySeconds } = options;
  const parts = products || awaySeconds ? { rates: [], bulk: false } : options.only;
  const loadBefore = loadavg()[0] ?? 0;
  const http: HttpPhase[] = [];
  for (const rate of parts.rates) http.push(await httpPhase(system, rate, seconds, print, createMeasurement()));
  const bulk: BulkPhase | null = parts.bulk ? await bulkPhase(system, rows, print, createMeasurement()) : null;
  const growth = products ? await measureGrowth({ data, project: system.project }, products, seconds, print) : [];
  const away = awaySeconds ? await catchUpPhase(system, awaySeconds, print, createMeasurement()) : null;
  const phases = [...http, ...(away ? [away.phase] : []), ...(bulk ? [bulk] : []), ...growth.map(({ phase }) => phase)];
  const services = (phases.at(-1)?.processes ?? []).filter(({ kind }) => serviceKinds.has(kind));
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
    growth,
    servicesMemoryMb: services.reduce((sum, { memoryMb }) => sum + memoryMb, 0),
    equal: phases.every(({ differences }) => differences.length === 0) && growth.every(({ equal }) => equal),
  };
}
