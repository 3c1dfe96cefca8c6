/**
 * Jobs of the leading relay at an interval: report the outbox's depth, lost events and the state of capture, vacuum the
 * outbox, write the canary.
 */
import type { Sql } from "postgres";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import { CanaryWriter } from "./canary-writer.ts";
import type { CaptureWatch } from "./capture-watch.ts";
import type { RelayState } from "./checks.ts";
import type { LostEvents } from "./lost-events.ts";
import { Outbox } from "./outbox.ts";
import type { Relay } from "./relay.ts";

const DEPTH_INTERVAL_MS = 1_000;
const VACUUM_INTERVAL_MS = 1_000;
/** `lockstep resync` clears lost events; the condition must end within 5 seconds of that. */
const LOST_EVENTS_INTERVAL_MS = 3_000;
const CAPTURE_CHECK_INTERVAL_MS = 4_000;
/** Deleted rows that are worth a vacuum, which takes some milliseconds. */
const VACUUM_ROWS = 500;

interface PeriodicJobsDeps {
  readonly outbox: Outbox;
  readonly lostEvents: LostEvents;
  readonly relay: Relay;
  readonly state: RelayState;
  readonly captureWatch: CaptureWatch;
  /** A connection beside the relay's session. */
  readonly sql: Sql;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

interface PeriodicJobsOptions {
  /** Seconds between two canary writes; 0 writes none. */
  readonly canaryIntervalS: number;
  /** Called when the relay's session fails. */
  readonly onSessionFailure: (error: unknown) => void;
}

/** Runs the jobs until it is disposed. */
export class PeriodicJobs implements Disposable {
  private readonly timers: readonly Timer[];
  private readonly canary: CanaryWriter;
  /** `relay.deletedRows` at the last vacuum. */
  private vacuumedRows = 0;

  constructor(
    private readonly deps: PeriodicJobsDeps,
    { canaryIntervalS, onSessionFailure }: PeriodicJobsOptions,
  ) {
    const readLostEvents = () => void deps.lostEvents.refresh().catch(onSessionFailure);
    readLostEvents();
    const checkCapture = () => void deps.captureWatch.refresh(deps.sql);
    checkCapture();
    this.timers = [
      setInterval(readLostEvents, LOST_EVENTS_INTERVAL_MS),
      setInterval(() => this.reportDepth().catch(onSessionFailure), DEPTH_INTERVAL_MS),
      setInterval(() => this.vacuum(), VACUUM_INTERVAL_MS),
      setInterval(checkCapture, CAPTURE_CHECK_INTERVAL_MS),
    ];
    this.canary = new CanaryWriter(deps, canaryIntervalS);
  }

  [Symbol.dispose](): void {
    for (const timer of this.timers) clearInterval(timer);
    this.canary[Symbol.dispose]();
  }

  private async reportDepth(): Promise<void> {
    const { outbox, state, metrics } = this.deps;
    const depth = await outbox.depth();
    state.readDepth(depth);
    metrics.outboxDepth.set(depth.depth);
    metrics.outboxOldestAge.set(depth.oldestAgeSeconds);
    metrics.setAsideRows.set(Object.values(depth.setAside).reduce((sum, count) => sum + count, 0));
  }

  private async vacuum(): Promise<void> {
    const { relay, sql, logger } = this.deps;
    if (relay.deletedRows - this.vacuumedRows < VACUUM_ROWS) return;
    this.vacuumedRows = relay.deletedRows;
    await Outbox.vacuum(sql).catch((error) =>
      logger.warn({ err: error }, "vacuum of lockstep.outbox failed; reads get slower until the next one succeeds"),
    );
  }
}
