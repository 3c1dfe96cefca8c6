/** The interface between a service and the process that runs it. */
import type { ConditionName } from "../contracts/conditions.ts";

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

/** Watches one condition of a service. */
export interface Check {
  /** What it watches. Two checks of a service may watch the same condition of different things. */
  readonly condition: ConditionName;
  /** True: the service cannot do its work while the condition is present, so it gets no requests. */
  readonly blocksReadiness: boolean;
  /**
   * Why the condition is present, with names and figures; undefined while it is absent. It is called several times a
   * second, so it reads state that others keep up to date. It must not throw.
   */
  readonly problem: () => string | undefined;
  /** Additional state that is no problem. */
  readonly note?: () => string | undefined;
}
