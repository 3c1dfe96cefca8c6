/**
 * Shares one run of an operation between all callers that ask for the same key at the same time. A caller never gets
 * the result of a run that began before it asked: it waits for the next run.
 */
export class SingleFlight<T> {
  private readonly flights = new Map<string, { running: Promise<T>; next: Promise<T> | undefined }>();

  /**
   * @returns the result, and whether another caller had already requested the run.
   * @throws whatever `work` throws.
   */
  async run(key: string, work: () => Promise<T>): Promise<{ result: T; shared: boolean }> {
    const flight = this.flights.get(key);
    if (!flight) return { result: await this.start(key, work), shared: false };
    const shared = flight.next !== undefined;
    // The next run starts whether the current one succeeds or fails.
    flight.next ??= flight.running.then(
      () => this.start(key, work),
      () => this.start(key, work),
    );
    return { result: await flight.next, shared };
  }

  private start(key: string, work: () => Promise<T>): Promise<T> {
    const flight = {
      running: work().finally(() => {
        // When a next run is requested, the same settling starts it and replaces this entry.
        if (this.flights.get(key) === flight && !flight.next) this.flights.delete(key);
      }),
      next: undefined as Promise<T> | undefined,
    };
    this.flights.set(key, flight);
    return flight.running;
  }
}
