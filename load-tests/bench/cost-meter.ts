/** Measures what a period of a phase costs: CPU, context switches, memory and requests to the brokers. */
import { sleep } from "../../platform/async/sleep.ts";
import { type MeteredService, type RequestCounts, readBrokerRequests, requestsBetween } from "./broker-requests.ts";
import {
  type MachineTime,
  machineTime,
  type ProcessFigures,
  ProcessMeter,
  proportionalMbOf,
  type WatchedProcess,
} from "./processes.ts";
import type { ProcessCost } from "./result.ts";

/** Services return unused memory to the system after two idle seconds; their memory is read again after that. */
const IDLE_MS = 3_000;

/** What a period cost. */
export interface Cost {
  /** Length of the period. */
  readonly costSeconds: number;
  /** CPU time of the whole machine, the load generator and other work included. */
  readonly machine: MachineTime;
  readonly processes: readonly ProcessCost[];
}

/** Measures between {@link CostMeter.start} and {@link CostMeter.stop}. */
export class CostMeter {
  private readonly meter: ProcessMeter;
  private requestsBefore: Map<string, RequestCounts> = new Map();
  private startedAt = 0;
  private machineBefore: MachineTime = { busySeconds: 0, stealSeconds: 0 };

  /** @param services those that count their requests to brokers; each is also one of the processes. */
  constructor(
    watched: readonly WatchedProcess[],
    private readonly services: readonly MeteredService[] = [],
  ) {
    this.meter = new ProcessMeter(watched);
  }

  /** Starts the period. */
  async start(): Promise<void> {
    this.startedAt = performance.now();
    this.machineBefore = machineTime();
    this.meter.start();
    this.requestsBefore = await readBrokerRequests(this.services);
  }

  /** Ends the period. Resolves 3 s later, when the memory has been read again. */
  async stop(): Promise<Cost> {
    const figures = this.meter.stop();
    const costSeconds = (performance.now() - this.startedAt) / 1_000;
    const now = machineTime();
    const machine = {
      busySeconds: now.busySeconds - this.machineBefore.busySeconds,
      stealSeconds: now.stealSeconds - this.machineBefore.stealSeconds,
    };
    const requests = requestsBetween(this.requestsBefore, await readBrokerRequests(this.services));
    await sleep(IDLE_MS);
    const processes = figures.map((process: ProcessFigures) => ({
      ...process,
      settledMemoryMb: proportionalMbOf(process),
      brokerRequests: requests?.[process.name] ?? null,
      systemCalls: null,
    }));
    return { costSeconds, machine, processes };
  }
}
