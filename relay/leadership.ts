/**
 * The life of one relay process: wait for the lead, relay while leading, clean up.
 *
 * States: starting → standby → leading → ended.
 * - starting: the source or the log is not connected yet; the process is not ready.
 * - standby: another relay leads. Left when this one gets the leader lock.
 * - leading: the loop of `relay.ts` runs. Left by a stop or by an error; a relay never goes back to standby.
 */
import { allEntities } from "../contracts/entities/index.ts";
import type { Log } from "../kafka/log.ts";
import { connectDedicated } from "../platform/postgres/connect.ts";
import type { ServiceDeps } from "../platform/run.ts";
import type { Check } from "../platform/service.ts";
import { LeaderLock } from "./leader-lock.ts";
import { Outbox } from "./outbox.ts";
import { PeriodicJobs } from "./periodic-jobs.ts";
import { Publisher } from "./publisher.ts";
import { Relay } from "./relay.ts";
import type { SourceSession } from "./source-session.ts";

/** Channel on which the source's writers notify a relay that is asleep. */
const CHANNEL = "lockstep_outbox";

/** The state of this process, for its health check. */
export class LeaderStatus {
  state: "starting" | "standby" | "leading" = "starting";

  readonly check: Check = {
    name: "lead",
    problem: () => (this.state === "starting" ? "the source's PostgreSQL or the log is not connected yet" : undefined),
  };
}

interface LeadershipDeps extends ServiceDeps {
  readonly session: SourceSession;
  readonly log: Log;
  readonly status: LeaderStatus;
}

/** Runs once. */
export class Leadership {
  private readonly outbox: Outbox;
  private readonly lock: LeaderLock;
  private readonly failure = Promise.withResolvers<never>();
  /** Rejects when the session fails outside the loop: a heartbeat or a depth report. The process must end then. */
  readonly failed: Promise<never> = this.failure.promise;

  /**
   * @param holder name of this process in the leader lock.
   * @param url connection string of the source's PostgreSQL.
   */
  constructor(
    private readonly deps: LeadershipDeps,
    private readonly url: string,
    holder: string,
  ) {
    const { sql, commitTimestamps } = deps.session;
    this.outbox = new Outbox(sql, commitTimestamps);
    this.lock = new LeaderLock(sql, holder);
  }

  /** Resolves after the signal aborts and the batch in progress is finished. @throws {Error} as {@link Relay.run}. */
  async run(signal: AbortSignal): Promise<void> {
    const { status, logger } = this.deps;
    status.state = "standby";
    if (!(await this.lock.acquire(signal))) return;
    status.state = "leading";
    logger.info("this relay leads");
    this.lock.startHeartbeat(this.failure.reject);
    try {
      await this.lead(signal);
    } finally {
      this.lock.stopHeartbeat();
    }
  }

  private async lead(signal: AbortSignal): Promise<void> {
    const { outbox, lock: leader } = this;
    const { log, settings, logger, metrics } = this.deps;
    const publisher = new Publisher(log, allEntities, await outbox.positions());
    const relay = new Relay(
      { outbox, leader, publisher, logger, metrics },
      { batchRows: settings.LOCKSTEP_RELAY_BATCH, pollMs: settings.LOCKSTEP_RELAY_POLL_MS },
    );
    const sql = connectDedicated(this.url, "lockstep-relay-listen");
    // A new connection may have missed notifications, so it counts as one (third argument: called after each LISTEN).
    const notify = () => relay.notify();
    await sql.listen(CHANNEL, notify, notify);
    const jobs = new PeriodicJobs(
      { outbox, relay, sql, logger, metrics },
      { canaryIntervalS: settings.LOCKSTEP_CANARY_EVERY_S, onSessionFailure: this.failure.reject },
    );
    try {
      await relay.run(signal);
    } finally {
      jobs[Symbol.dispose]();
      await publisher.close();
      await sql.end({ timeout: 1 });
    }
  }
}
