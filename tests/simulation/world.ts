/**
 * A world without real time: one queue of events, and a seed that decides their order and everything that goes wrong.
 *
 * All code of the product runs in here between two events. An event belongs to a process. A process that crashed gets
 * none any more, so its promises never settle; one that is paused gets them late, all at once.
 */
import { drainMicrotasks } from "bun:jsc";
import { SeededRandom } from "./seeded-random.ts";

/** A process of the simulation; a restart makes a new one. */
export class SimulatedProcess {
  isAlive = true;
  isPaused = false;
  /** Virtual milliseconds of its first event; undefined before that. */
  startedAtMs: number | undefined;
  /** Events that came during the pause. */
  readonly deferred: SimulatedEvent[] = [];

  constructor(
    readonly name: string,
    /** False for servers and clients: they take part in no crash and no pause. */
    readonly mayCrash: boolean,
    /** Called when the process crashes, or ends by itself. */
    readonly onEnd: () => void = () => {},
  ) {}
}

/** Something that will happen. */
export interface SimulatedEvent {
  /** Virtual milliseconds. */
  at: number;
  readonly order: number;
  readonly process: SimulatedProcess;
  /** Undefined: cancelled. */
  run: (() => void) | undefined;
}

/** How often things go wrong. Each is a probability per event or per request. */
export interface FaultRates {
  readonly crash: number;
  readonly pause: number;
  /** Requests that fail before or after they take effect, or take effect later. */
  readonly request: number;
}

/** A run has some hundred events. One that has so many turns in a circle. */
const MAX_EVENTS = 60_000;

/** A process is hit more often while it recovers: two crashes in a row are the hardest ones. */
const RECOVERY_MS = 60;
const RECOVERY_FACTOR = 4;

const NO_FAULTS: FaultRates = { crash: 0, pause: 0, request: 0 };

/** A line of a trace, and the entity that it concerns. */
export interface TraceLine {
  readonly atMs: number;
  readonly process: string;
  readonly text: string;
}

/** The one owner of time, chance and order. */
export class World {
  /** Virtual milliseconds since the start of the run. */
  now = 0;
  events = 0;
  rates: FaultRates = NO_FAULTS;
  readonly random: SeededRandom;
  /** Servers and clients, as one process that never fails. */
  readonly outside = new SimulatedProcess("outside", false);
  current: SimulatedProcess = this.outside;
  /** Set while the run is traced. */
  lines: TraceLine[] | undefined;
  /** What broke a promise, one sentence each. */
  readonly violations: string[] = [];
  private readonly heap: SimulatedEvent[] = [];
  private orders = 0;

  constructor(readonly seed: number) {
    this.random = new SeededRandom(seed);
  }

  /** Adds a line to the trace. `text` is called only while the run is traced. */
  trace(process: SimulatedProcess, text: () => string): void {
    this.lines?.push({ atMs: this.now, process: process.name, text: text() });
  }

  violate(sentence: string): void {
    if (this.violations.length < 20) this.violations.push(`${sentence} (at ${this.now.toFixed(1)} ms)`);
  }

  /** Runs `run` in `process` after a delay. Events of the same moment run in the order of their calls. */
  schedule(delayMs: number, process: SimulatedProcess, run: () => void): SimulatedEvent {
    const event: SimulatedEvent = { at: this.now + Math.max(0, delayMs), order: this.orders++, process, run };
    this.push(event);
    return event;
  }

  /** Ends the process without another event: as `kill -9`, or because its code gave up. */
  crash(process: SimulatedProcess, why: string): void {
    if (!process.isAlive) return;
    process.isAlive = false;
    this.trace(process, () => why);
    process.onEnd();
  }

  pause(process: SimulatedProcess, ms: number): void {
    process.isPaused = true;
    this.trace(process, () => `is paused for ${Math.round(ms)} ms`);
    this.schedule(ms, this.outside, () => this.resume(process));
  }

  resume(process: SimulatedProcess): void {
    if (!process.isPaused) return;
    process.isPaused = false;
    this.trace(process, () => "continues");
    for (const event of process.deferred.splice(0)) {
      event.at = this.now;
      this.push(event);
    }
  }

  /** Runs events until `isDone`, or until a moment. @returns whether it is done. */
  run(untilMs: number, isDone: () => boolean): boolean {
    for (;;) {
      if (isDone()) return true;
      const next = this.heap[0];
      if (!next || next.at > untilMs) {
        this.now = Math.max(this.now, untilMs);
        return isDone();
      }
      if (this.events > MAX_EVENTS) {
        this.violate(`P14: nothing comes to rest within ${MAX_EVENTS} events`);
        return true;
      }
      this.pop();
      this.now = next.at;
      this.fire(next);
    }
  }

  private fire(event: SimulatedEvent): void {
    const { process, run } = event;
    if (!run || !process.isAlive) return;
    if (process.isPaused) {
      process.deferred.push(event);
      return;
    }
    if (process.mayCrash && this.strikes(process, event)) return;
    this.events++;
    this.current = process;
    event.run = undefined;
    run();
    drainMicrotasks();
    this.current = this.outside;
  }

  /** @returns true when the process crashes or pauses instead of getting this event. */
  private strikes(process: SimulatedProcess, event: SimulatedEvent): boolean {
    if (this.rates.crash + this.rates.pause === 0) return false;
    process.startedAtMs ??= this.now;
    const factor = this.now - process.startedAtMs < RECOVERY_MS ? RECOVERY_FACTOR : 1;
    const crash = this.rates.crash * factor;
    const pause = this.rates.pause * factor;
    const draw = this.random.number();
    if (draw >= crash + pause) return false;
    if (draw < crash) this.crash(process, "crashes");
    else {
      // Longer than the sessions of the log, or than the heartbeat of the relay, every now and then.
      this.pause(process, this.random.pick([40, 400, 1_500, 4_000, 7_000]) * (0.5 + this.random.number()));
      process.deferred.push(event);
    }
    return true;
  }

  private push(event: SimulatedEvent): void {
    const { heap } = this;
    let i = heap.push(event) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (isBefore(heap[parent]!, event)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = event;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (isBefore(last, heap[child]!)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
  }
}

const isBefore = (a: SimulatedEvent, b: SimulatedEvent): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
