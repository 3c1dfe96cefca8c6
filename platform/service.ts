/** What every room is to the process that runs it. */
export interface Service {
  /** Settles when the service ended. Rejects when it cannot go on: the process then ends, and its supervisor starts it anew. */
  readonly ended: Promise<void>;
  /** Stops taking new work, finishes what is under way, and resolves. Harmless twice. */
  stop(): Promise<void>;
}

/** One thing that must hold for a service to be ready: its name, and why not, if not. */
export interface Check {
  readonly name: string;
  readonly problem: () => string | undefined;
  /** Worth knowing, and no reason to be not ready. */
  readonly note?: () => string | undefined;
}
