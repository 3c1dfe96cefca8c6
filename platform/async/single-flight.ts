/**
 * Shares one piece of work between all who ask for the same key at the same time, without answering anybody with something that
 * began before they asked: who comes while it runs waits for the next run.
 */
export class SingleFlight<T> {
  private readonly flights = new Map<string, { running: Promise<T>; next: Promise<T> | undefined }>();

  /** @returns the result, and whether somebody else's request had started the work. */
  async fly(key: string, work: () => Promise<T>): Promise<{ result: T; shared: boolean }> {
    const flight = this.flights.get(key);
    if (!flight) return { result: await this.start(key, work), shared: false };
    const shared = flight.next !== undefined;
    // However the running one ends, the next is a try of its own.
    flight.next ??= flight.running.then(
      () => this.start(key, work),
      () => this.start(key, work),
    );
    return { result: await flight.next, shared };
  }

  private start(key: string, work: () => Promise<T>): Promise<T> {
    const flight = {
      running: work().finally(() => {
        // Whoever waits for the next one has it started by the same settling, and puts it in this one's place.
        if (this.flights.get(key) === flight && !flight.next) this.flights.delete(key);
      }),
      next: undefined as Promise<T> | undefined,
    };
    this.flights.set(key, flight);
    return flight.running;
  }
}
