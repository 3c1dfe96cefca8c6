/** The interface between a service and the process that runs it. */

/** A running service. */
export interface Service {
  /**
   * Resolves when the service has stopped. Rejects when it cannot continue; the process then exits and its supervisor
   * restarts it.
   */
  readonly ended: Promise<void>;
  /** Accepts no new work, finishes the work in progress, and resolves. Calling it twice is harmless. */
  stop(): Promise<void>;
}

/** One condition of a service's readiness. */
export interface Check {
  readonly name: string;
  /** Why the service is not ready; undefined if the condition holds. */
  readonly problem: () => string | undefined;
  /** Additional state that does not affect readiness. */
  readonly note?: () => string | undefined;
}
