/**
 * The life of one relay process: wait for the lead, relay while leading, clean up.
 *
 * States: starting → standby → leading → ended.
 * - starting: the source or the log is not connected yet; the process is not ready.
 * - standby: another relay leads. Left when this one gets the leader lock.
 * - leading: the loop of `relay.ts` runs. Left by a stop or by an error; a relay never goes back to standby.
 */
import { hostname } from "node:os";
import type { Log } from "../kafka/log.ts";
import { claimTopics, describeSource, readSource } from "../pipeline/source-claim.ts";
import { connectDedicated } from "../platform/postgres/connect.ts";
import type { ServiceDeps } from "../platform/run.ts";
import type { Check } from "../platform/service.ts";
import { CaptureWatch } from "./capture-watch.ts";
import { RelayState } from "./checks.ts";
import { LeaderLock } from "./leader-lock.ts";
import { LostEvents } from "./lost-events.ts";
import { Outbox } from "./outbox.ts";
import { PeriodicJobs } from "./periodic-jobs.ts";
import { Publisher } from "./publisher.ts";
import { Relay } from "./relay.ts";
import type { SourceSession } from "./source-session.ts";

/** Channel on which the source's writers notify a relay that is asleep. */
const CHANNEL = "lockstep_outbox";

/** Runs once. */
export class Leadership {
  private readonly failure = Promise.withResolvers<never>();
  /** Rejects when the session fails outside the loop: a heartbeat or a depth report. The process must end then. */
  readonly failed: Promise<never> = this.failure.promise;

  /** What the checks report. A relay on standby is ready. */
  readonly state = new RelayState();

  /** Reports tables whose changes are not captured, while this relay leads. */
  readonly captureWatch: CaptureWatch;

  /** Reports events that the log has lost, while this relay leads. */
  readonly lossCheck: Check = {
    condition: "events-lost",
    blocksReadiness: false,
    problem: () => this.lostEvents?.problem,
  };

  private lostEvents: LostEvents | undefined;

  /** @param url connection string of the source's PostgreSQL. */
  constructor(
    private readonly deps: ServiceDeps,
    private readonly url: string,
  ) {
    this.captureWatch = new CaptureWatch(deps);
  }

  /**
   * Resolves after the signal aborts and the batch in progress is finished.
   *
   * @throws {OtherSourceError} when the topics hold the events of another source. @throws {Error} as {@link Relay.run}.
   */
  async run({ sql, commitTimestamps }: SourceSession, log: Log, signal: AbortSignal): Promise<void> {
    const { settings, logger, project } = this.deps;
    this.state.connecting = undefined;
    const lock = new LeaderLock(sql, `${settings.LOCKSTEP_INSTANCE ?? hostname()} (pid ${process.pid})`);
    if (!(await lock.acquire(signal))) return;
    logger.info("this relay leads");
    lock.startHeartbeat(this.failure.reject);
    this.lostEvents = new LostEvents({ sql, logger });
    try {
      // Before the publisher opens its writer, which fences the relay of another source.
      const source = await readSource(sql);
      const former = await claimTopics(log, project, source);
      if (former)
        logger.warn(
          { former, source },
          `the source has moved: it was ${describeSource(former)}, and is ${describeSource(source)}; if this is a copy ` +
            "beside its original, stop it and give it another id in lockstep.source_identity",
        );
      await this.lead(lock, new Outbox(sql, commitTimestamps), log, signal);
    } finally {
      lock.stopHeartbeat();
    }
  }

  private async lead(leader: LeaderLock, outbox: Outbox, log: Log, signal: AbortSignal): Promise<void> {
    const { settings, logger, metrics, project } = this.deps;
    const lostEvents = this.lostEvents!;
    const publisher = new Publisher(log, project, await outbox.positions(), (lost) => lostEvents.record(lost));
    const relay = new Relay(
      { outbox, leader, publisher, logger, metrics },
      { batchRows: settings.LOCKSTEP_RELAY_BATCH, pollMs: settings.LOCKSTEP_RELAY_POLL_MS },
    );
    this.state.logProblem = () => relay.logProblem;
    const sql = connectDedicated(this.url, "lockstep-relay-listen");
    // A new connection may have missed notifications, so it counts as one (third argument: called after each LISTEN).
    const notify = () => relay.notify();
    await sql.listen(CHANNEL, notify, notify);
    const jobs = new PeriodicJobs(
      { outbox, lostEvents, relay, state: this.state, captureWatch: this.captureWatch, sql, logger, metrics },
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
