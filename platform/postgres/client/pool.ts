/**
 * Sessions that are opened when they are needed, and run single statements.
 *
 * A statement takes the session that was used last, so that the others can close when there is little to do. When all
 * are running, it waits for one.
 */

import type { Rows } from "./rows.ts";
import { Session, type SessionOptions, type Statement } from "./session.ts";

/** Limits of a {@link SessionPool}. Times are in milliseconds. */
export interface PoolOptions {
  readonly max: number;
  /** A session that was not used for this time is closed. */
  readonly idleTimeoutMs: number;
  /** A session that is older is closed when it is idle. */
  readonly maxLifetimeMs: number;
  /**
   * Called when a session has closed. With it, the pool never opens another one: what the session had, such as locks,
   * is gone, and later statements fail.
   */
  readonly onClose?: () => void;
}

interface Waiting extends PromiseWithResolvers<Rows> {
  readonly statement: Statement;
}

/** Delay of the next connection after one that failed, and its upper bound. */
const MIN_DELAY_MS = 50;
const MAX_DELAY_MS = 1_000;
/** Time between two searches for sessions to close. */
const SWEEP_MS = 5_000;

/** A pool of sessions; see the top of this file. */
export class SessionPool {
  private readonly sessions = new Set<Session>();
  /** Used last at the end. */
  private idle: Session[] = [];
  private readonly waiting: Waiting[] = [];
  /** Statements whose sessions are opened after a delay. */
  private delayed = 0;
  private failures = 0;
  private failedAtMs = Number.NEGATIVE_INFINITY;
  private sweepTimer: Timer | undefined;
  private ending: PromiseWithResolvers<void> | undefined;
  /** The pool must not open another session. */
  private isLost = false;

  constructor(
    private readonly session: SessionOptions,
    private readonly options: PoolOptions,
  ) {}

  /** Runs a statement. @throws the error of the server or of the connection. */
  run(statement: Statement): Promise<Rows> {
    if (this.ending) return Promise.reject(this.connectionError("CONNECTION_ENDED"));
    const session = this.idle.pop();
    if (session) return this.runOn(session, statement);
    if (this.sessions.size + this.delayed < this.options.max) return this.open(statement);
    const waiting = { statement, ...Promise.withResolvers<Rows>() };
    this.waiting.push(waiting);
    return waiting.promise;
  }

  /** Closes all sessions. Statements in flight may still end. @param timeoutMs after this time they fail. */
  end(timeoutMs?: number): Promise<void> {
    if (!this.ending) {
      this.ending = Promise.withResolvers<void>();
      for (const session of this.idle.splice(0)) session.close();
      this.settleEnd();
    }
    const { promise } = this.ending;
    if (timeoutMs === undefined) return promise;
    const timer = setTimeout(() => this.destroy(), timeoutMs);
    return promise.finally(() => clearTimeout(timer));
  }

  private destroy(): void {
    for (const { reject } of this.waiting.splice(0)) reject(this.connectionError("CONNECTION_DESTROYED"));
    for (const session of [...this.sessions]) session.close();
  }

  private async open(statement: Statement): Promise<Rows> {
    if (this.isLost) throw this.connectionError("CONNECTION_CLOSED");
    if (this.failures > 0) await this.delay();
    const session = new Session(this.session, () => this.onClosed(session));
    this.sessions.add(session);
    this.sweepTimer ??= this.startSweep();
    await session.opened;
    this.failures = 0;
    return await this.runOn(session, statement);
  }

  private async delay(): Promise<void> {
    const delayMs = Math.min(MIN_DELAY_MS * 2 ** this.failures, MAX_DELAY_MS);
    const remainingMs = this.failedAtMs + delayMs - performance.now();
    this.delayed++;
    try {
      if (remainingMs > 0) await Bun.sleep(remainingMs);
    } finally {
      this.delayed--;
    }
    if (this.ending) throw this.connectionError("CONNECTION_ENDED");
  }

  private runOn(session: Session, statement: Statement): Promise<Rows> {
    const rows = session.run(statement);
    rows.then(
      () => this.release(session),
      () => this.release(session),
    );
    return rows;
  }

  private release(session: Session): void {
    if (session.closed) return;
    // Statements that wait get a new session, see `onClosed`.
    if (this.isTooOld(session) || (this.ending && this.waiting.length === 0)) session.close();
    else {
      const next = this.waiting.shift();
      if (next) this.runOn(session, next.statement).then(next.resolve, next.reject);
      else this.idle.push(session);
    }
  }

  private onClosed(session: Session): void {
    if (!session.wasOpened) {
      this.failures++;
      this.failedAtMs = performance.now();
    }
    this.sessions.delete(session);
    this.idle = this.idle.filter((other) => other !== session);
    if (this.options.onClose) {
      this.isLost = true;
      this.options.onClose();
    }
    if (this.sessions.size === 0) {
      clearInterval(this.sweepTimer);
      this.sweepTimer = undefined;
    }
    const next = this.waiting.shift();
    if (next) this.open(next.statement).then(next.resolve, next.reject);
    this.settleEnd();
  }

  private settleEnd(): void {
    if (this.sessions.size === 0 && this.waiting.length === 0) this.ending?.resolve();
  }

  private startSweep(): Timer {
    const timer = setInterval(() => {
      const usedBeforeMs = performance.now() - this.options.idleTimeoutMs;
      for (const session of this.idle) if (session.usedAtMs < usedBeforeMs || this.isTooOld(session)) session.close();
    }, SWEEP_MS);
    timer.unref();
    return timer;
  }

  private isTooOld({ openedAtMs }: Session): boolean {
    return performance.now() - openedAtMs > this.options.maxLifetimeMs;
  }

  private connectionError(code: string): Error {
    const { host: address, port } = this.session;
    return Object.assign(new Error(`write ${code} ${address}:${port}`), { code, errno: code, address, port });
  }
}
