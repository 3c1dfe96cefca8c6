import { describe, expect, test } from "bun:test";
import { LoadShedder } from "./load-shedder.ts";

const PER_SECOND = 500;
const MAX_QUEUED = 500;

/** A queue that processes {@link PER_SECOND} requests, on a clock that the test moves. */
class Simulation {
  now = 0;
  admitted = 0;
  rejected = 0;
  /** Time in the queue of each processed request, in milliseconds. */
  readonly waits: number[] = [];
  private processable = 0;
  private readonly queue: { readonly atMs: number; readonly leave: () => void }[] = [];
  private readonly shedder = new LoadShedder(this, 10, () => this.now);

  get queueTimeMs(): number {
    return this.queue[0] ? this.now - this.queue[0].atMs : 0;
  }

  get isFull(): boolean {
    return this.queue.length >= MAX_QUEUED;
  }

  request(): void {
    const leave = this.shedder.admit();
    if (!leave) return void this.rejected++;
    this.admitted++;
    this.queue.push({ atMs: this.now, leave });
  }

  /** Offers requests at a rate, and processes them. */
  run(perSecond: number, ms: number): void {
    let due = 0;
    for (let i = 0; i < ms; i++) {
      this.now++;
      for (due += perSecond / 1_000; due >= 1; due--) this.request();
      this.process();
    }
  }

  private process(): void {
    this.processable = this.queue.length === 0 ? 0 : this.processable + PER_SECOND / 1_000;
    for (; this.processable >= 1 && this.queue[0]; this.processable--) {
      const { atMs, leave } = this.queue.shift()!;
      this.waits.push(this.now - atMs);
      leave();
    }
  }
}

const quantile = (values: readonly number[], share: number) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length * share)]!;

describe("a load shedder", () => {
  test("admits everything that can be processed, and short bursts", () => {
    const simulation = new Simulation();
    simulation.run(PER_SECOND * 0.95, 5_000);
    for (let i = 0; i < 200; i++) simulation.request();
    simulation.run(PER_SECOND / 4, 5_000);
    expect(simulation.rejected).toBe(0);
  });

  test.each([2, 5, 20])("at %d times the rate that can be processed, keeps that rate and a short queue", (times) => {
    const simulation = new Simulation();
    simulation.run(PER_SECOND * times, 3_000);
    const before = simulation.waits.length;
    simulation.run(PER_SECOND * times, 20_000);
    const waits = simulation.waits.slice(before);
    expect(waits.length).toBeGreaterThan(PER_SECOND * 20 * 0.95);
    expect(quantile(waits, 0.99)).toBeLessThan(400);
    expect(simulation.rejected).toBeGreaterThan(PER_SECOND * (times - 1) * 20 * 0.95);
  });

  test("admits everything again soon after the load has ended", () => {
    const simulation = new Simulation();
    simulation.run(PER_SECOND * 5, 5_000);
    simulation.run(PER_SECOND / 2, 3_000);
    const { rejected } = simulation;
    simulation.run(PER_SECOND * 0.9, 10_000);
    expect(simulation.rejected).toBe(rejected);
  });
});
