/**
 * Keeps one process running.
 *
 * States: running → (it ends) → pausing → (the pause is over) → starting → running, or pausing again when the start fails;
 * running → (it ends in order, with status 0) → starting; from any of them → (stop) → stopped. `server()` is there in starting, as soon as there is a process, and in running.
 */

import { isRestart, MANY_CRASHES, nextPauseMs, recentCrashes } from "./pauses.ts";
import type { Server } from "./servers/server.ts";

/** Something that can be started again and again. */
export interface ProcessSpec {
  /** As people read it: `catalog 2`. */
  readonly label: string;
  /**
   * Resolves when it runs; rejects when it cannot be started, and then leaves nothing running. `launched` is told as soon as
   * there is a process.
   */
  readonly start: (signal: AbortSignal, launched: (server: Server) => void) => Promise<Server>;
  /** Where its output goes. */
  readonly logFile: string;
}

/** A process that is started again whenever it ends. */
export interface SupervisedProcess {
  /** Settles with the first start; rejects with its reason, and the part is then not kept running. */
  readonly started: Promise<Server>;
  readonly server: () => Server | undefined;
  /** What a client connects with: empty until there was a process, the same from then on. */
  readonly url: () => string;
  readonly restarts: () => number;
  /** Times of recent crashes, in milliseconds since 1970. */
  readonly crashedAt: () => readonly number[];
  /** Stops it for good. Resolves when it is gone; harmless twice. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface Watcher {
  /** Called after every change of what `Kept` tells. */
  readonly changed: () => void;
  readonly say: (line: string) => void;
}

/** Starts a part and, once it ran, starts it again with growing pauses whenever it ends. */
export function keepRunning(part: ProcessSpec, watcher: Watcher, signal: AbortSignal): SupervisedProcess {
  const stopping = new AbortController();
  const either = AbortSignal.any([signal, stopping.signal]);
  let server: Server | undefined;
  let url = "";
  let crashedAt: number[] = [];
  let restarts = 0;
  let stop: Promise<void> | undefined;

  const show = (now: Server | undefined) => {
    server = now;
    url = now?.url ?? url;
    watcher.changed();
  };
  const start = async () => {
    try {
      const running = await part.start(either, show);
      show(running);
      return running;
    } catch (error) {
      show(undefined);
      throw error;
    }
  };
  const crashed = (how: string, pauseMs: number) => {
    const now = Date.now();
    crashedAt = recentCrashes([...crashedAt, now], now);
    const often =
      crashedAt.length >= MANY_CRASHES ? ` (${crashedAt.length} times within a minute; see ${part.logFile})` : "";
    watcher.say(`${part.label} ${how}${often}; starting it again in ${pauseMs / 1000} s`);
    show(undefined);
  };

  const keep = async (first: Server) => {
    let startedAt = Date.now();
    let pauseMs = 0;
    let { how, inOrder } = await endOf(first);
    while (!either.aborted) {
      const ranMs = Date.now() - startedAt;
      if (isRestart(inOrder, ranMs)) {
        watcher.say(`${part.label} ${how}: starting it again`);
        show(undefined);
        pauseMs = 0;
      } else {
        pauseMs = nextPauseMs(pauseMs, ranMs);
        crashed(how, pauseMs);
        await pause(pauseMs, either);
      }
      if (either.aborted) return;
      startedAt = Date.now();
      try {
        const running = await start();
        restarts++;
        watcher.say(`${part.label} runs again (pid ${running.pid})`);
        watcher.changed();
        ({ how, inOrder } = await endOf(running));
      } catch (error) {
        inOrder = false;
        how = `could not be started: ${error instanceof Error ? error.message : String(error)}`;
      }
    }
  };
  const started = start();
  const kept = started.then(keep, () => {});

  return {
    started,
    server: () => server,
    url: () => url,
    restarts: () => restarts,
    crashedAt: () => recentCrashes(crashedAt, Date.now()),
    stop: (how) => {
      stopping.abort();
      // Also when a gentle stop is under way already.
      if (how) void server?.stop(how);
      stop ??= (async () => {
        await server?.stop(how);
        await kept;
        // A start that was under way may have come to its end meanwhile.
        await server?.stop(how);
      })();
      return stop;
    },
  };
}

async function endOf({ pid, exited }: Server): Promise<{ how: string; inOrder: boolean }> {
  const status = await exited;
  const how = status === null ? `(pid ${pid}) was killed` : `(pid ${pid}) ended with status ${status}`;
  return { how, inOrder: status === 0 };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", over);
      resolve();
    };
    const timer = setTimeout(over, ms);
    signal.addEventListener("abort", over);
  });
}
