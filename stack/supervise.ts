/**
 * Keeps one process running.
 *
 * States:
 * - starting: `spec.start` is in progress. `server` is set as soon as there is a process.
 * - running: lasts until the process ends. A requested restart leads to starting, every other end to waiting.
 * - waiting: a delay that grows with each crash leads to starting. A start that fails leads back to waiting.
 * - held: `bun run stop` holds the process. Its end is no crash. Its release leads to starting.
 * - stopped: final. `stop` or the abort signal leads here from every state.
 */
import { sleepUnlessAborted } from "../platform/async/sleep.ts";
import { commandText } from "./program.ts";
import { CRASH_LOOP_COUNT, isRequestedRestart, nextDelayMs, recentCrashes } from "./restart-delay.ts";
import type { Server } from "./servers/server.ts";

/** Time between two checks whether a held process may start, in milliseconds. */
const HELD_POLL_MS = 100;

/** A process that can be started any number of times. */
export interface ProcessSpec {
  /** Name in messages: `catalog 2`. */
  readonly label: string;
  /**
   * Resolves when the process is usable. Rejects when it could not be started, and leaves nothing running then.
   * `onLaunch` is called as soon as there is a process.
   */
  readonly start: (signal: AbortSignal, onLaunch: (server: Server) => void) => Promise<Server>;
  /** Path of the file that receives its output. */
  readonly logFile: string;
}

/** Callbacks of a {@link SupervisedProcess}. */
export interface SupervisorEvents {
  /** Called after each change of a public member of the process. */
  readonly onChange: () => void;
  readonly print: (line: string) => void;
  /** True while the process must stay stopped. */
  readonly isHeld: () => boolean;
}

interface End {
  /** For messages: "ended with status 7". */
  readonly description: string;
  /** True for status 0. */
  readonly isClean: boolean;
}

/** A process that is restarted whenever it ends. Starts at construction. */
export class SupervisedProcess {
  /** Settles with the first start. When that rejects, the process is not restarted. */
  readonly started: Promise<Server>;
  private readonly stopRequest = new AbortController();
  private readonly stopSignal: AbortSignal;
  private readonly restartLoop: Promise<void>;
  private current: Server | undefined;
  private lastUrl = "";
  private crashTimes: readonly number[] = [];
  private restartCount = 0;
  private stopping: Promise<void> | undefined;

  constructor(
    private readonly spec: ProcessSpec,
    private readonly events: SupervisorEvents,
    signal: AbortSignal,
  ) {
    this.stopSignal = AbortSignal.any([signal, this.stopRequest.signal]);
    this.started = this.start();
    this.restartLoop = this.started.then(
      (server) => this.restartUntilStopped(server),
      () => {},
    );
  }

  /** Undefined while there is no process. */
  get server(): Server | undefined {
    return this.current;
  }

  /** Address for clients. Empty until the first process exists; it never changes after that. */
  get url(): string {
    return this.lastUrl;
  }

  /** Number of restarts since the first start. */
  get restarts(): number {
    return this.restartCount;
  }

  /** Times of recent crashes, in milliseconds since 1970. */
  get crashedAt(): readonly number[] {
    return recentCrashes(this.crashTimes, Date.now());
  }

  /**
   * Stops the process for good and resolves when it is gone. May be called more than once.
   *
   * @param signal sent at once, also while a clean stop is in progress. Default: the process's clean stop.
   */
  stop(signal?: NodeJS.Signals): Promise<void> {
    this.stopRequest.abort();
    if (signal) void this.current?.stop(signal);
    this.stopping ??= this.stopCurrent(signal);
    return this.stopping;
  }

  private async stopCurrent(signal?: NodeJS.Signals): Promise<void> {
    await this.current?.stop(signal);
    await this.restartLoop;
    // A start that was in progress may have finished in the meantime.
    await this.current?.stop(signal);
  }

  private async restartUntilStopped(first: Server): Promise<void> {
    let startedAt = Date.now();
    let delayMs = 0;
    let end = await endOf(first);
    while (!this.stopSignal.aborted) {
      const ranMs = Date.now() - startedAt;
      const isHeld = this.events.isHeld();
      if (isHeld || isRequestedRestart(end.isClean, ranMs)) {
        this.recordExit(end, isHeld ? `stopped until ${commandText("start")}` : "restarting");
        delayMs = 0;
      } else {
        delayMs = nextDelayMs(delayMs, ranMs);
        this.recordCrash(end, delayMs);
        await sleepUnlessAborted(delayMs, this.stopSignal);
      }
      while (this.events.isHeld() && !this.stopSignal.aborted) await sleepUnlessAborted(HELD_POLL_MS, this.stopSignal);
      if (this.stopSignal.aborted) return;
      startedAt = Date.now();
      end = await this.restart();
    }
  }

  /** Starts the process again and waits for its end. */
  private async restart(): Promise<End> {
    try {
      const server = await this.start();
      this.restartCount++;
      this.events.print(`${this.spec.label} restarted (pid ${server.pid})`);
      this.events.onChange();
      // It may have been held while it started: there was no process to stop yet.
      if (this.events.isHeld()) await server.stop();
      return await endOf(server);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { isClean: false, description: `could not be started: ${reason}` };
    }
  }

  private async start(): Promise<Server> {
    try {
      const server = await this.spec.start(this.stopSignal, (launched) => this.setServer(launched));
      this.setServer(server);
      return server;
    } catch (error) {
      this.setServer(undefined);
      throw error;
    }
  }

  private recordExit({ description }: End, next: string): void {
    this.events.print(`${this.spec.label} ${description}; ${next}`);
    this.setServer(undefined);
  }

  private recordCrash({ description }: End, delayMs: number): void {
    const now = Date.now();
    this.crashTimes = recentCrashes([...this.crashTimes, now], now);
    const { length } = this.crashTimes;
    const hint = length >= CRASH_LOOP_COUNT ? ` (${length} crashes within a minute; see ${this.spec.logFile})` : "";
    this.events.print(`${this.spec.label} ${description}${hint}; restarting in ${delayMs / 1000} s`);
    this.setServer(undefined);
  }

  private setServer(server: Server | undefined): void {
    this.current = server;
    this.lastUrl = server?.url ?? this.lastUrl;
    this.events.onChange();
  }
}

async function endOf({ pid, exited }: Server): Promise<End> {
  const status = await exited;
  const cause = status === null ? "was killed" : `ended with status ${status}`;
  return { description: `(pid ${pid}) ${cause}`, isClean: status === 0 };
}
