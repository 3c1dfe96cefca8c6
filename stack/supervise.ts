/**
 * Keeps one process running.
 *
 * States: running → (it ends) → pausing → (the pause is over) → starting → running, or pausing again when the start fails;
 * from any of them → (stop) → stopped. `server()` is there in running only.
 */
import type { Server } from "./embedded/server.ts";
import { MANY_CRASHES, nextPauseMs, recentCrashes } from "./pauses.ts";

/** Something that can be started again and again. */
export interface Part {
  /** As people read it: `replica catalog 2`. */
  readonly label: string;
  /** Resolves when it runs; rejects when it cannot be started, and then leaves nothing running. */
  readonly start: (signal: AbortSignal) => Promise<Server>;
  /** Where its output goes. */
  readonly logFile: string;
}

/** A process that is started again whenever it ends. */
export interface Kept {
  readonly server: () => Server | undefined;
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

/**
 * Starts a part and starts it again, with growing pauses, whenever it ends.
 *
 * @throws whatever the first start throws: only what once ran is kept running.
 */
export async function keepRunning(part: Part, watcher: Watcher, signal: AbortSignal): Promise<Kept> {
  const stopping = new AbortController();
  const either = AbortSignal.any([signal, stopping.signal]);
  let server: Server | undefined = await part.start(either);
  let crashedAt: number[] = [];
  let restarts = 0;
  let stop: Promise<void> | undefined;

  const crashed = (how: string, pauseMs: number) => {
    const now = Date.now();
    crashedAt = recentCrashes([...crashedAt, now], now);
    server = undefined;
    const often =
      crashedAt.length >= MANY_CRASHES ? ` (${crashedAt.length} times within a minute; see ${part.logFile})` : "";
    watcher.say(`${part.label} ${how}${often}; starting it again in ${pauseMs / 1000} s`);
    watcher.changed();
  };

  const keep = async (first: Server) => {
    let running: Server | undefined = first;
    let startedAt = Date.now();
    let pauseMs = 0;
    let refusal = "";
    while (!either.aborted) {
      let how: string;
      if (running) {
        const status = await running.exited;
        how = status === null ? `(pid ${running.pid}) was killed` : `(pid ${running.pid}) ended with status ${status}`;
      } else how = `could not be started: ${refusal}`;
      if (either.aborted) return;
      pauseMs = nextPauseMs(pauseMs, Date.now() - startedAt);
      crashed(how, pauseMs);
      await pause(pauseMs, either);
      if (either.aborted) return;
      startedAt = Date.now();
      running = await part.start(either).catch((error: unknown) => {
        refusal = error instanceof Error ? error.message : String(error);
        return undefined;
      });
      if (!running) continue;
      server = running;
      restarts++;
      watcher.say(`${part.label} runs again (pid ${running.pid})`);
      watcher.changed();
    }
  };
  const kept = keep(server);

  return {
    server: () => server,
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
