/** A PostgreSQL server restarts: its supervisor starts it again. */
import { retry } from "../../../platform/async/retry.ts";
import type { Fault } from "../../fault.ts";
import { databaseUrl, inSession } from "./databases.ts";

const RESTART_TIMEOUT_MS = 60_000;

const startTime = (url: string): Promise<string> =>
  inSession(url, async (sql) => {
    const [row] = await sql<{ at: string }[]>`select pg_postmaster_start_time()::text as at`;
    return row!.at;
  });

const restart = (name: string, summary: string, signal: "SIGINT" | "SIGQUIT"): Fault => ({
  name,
  summary,
  lastsMs: [0, 0],
  subjects: ({ processes }) => processes.filter(({ kind }) => kind === "postgres").map((process) => process.name),
  async inject({ system, subject }) {
    const url = databaseUrl(system, subject);
    const before = await startTime(url);
    await system.processes.find((process) => process.name === subject)!.signal(signal);
    const options = { what: `the restart of ${subject}`, timeoutMs: RESTART_TIMEOUT_MS, shouldRetry: () => true };
    return () =>
      retry({ ...options, firstDelayMs: 100 }, async () => {
        if ((await startTime(url)) === before) throw new Error("the server has not stopped yet");
      });
  },
});

/** Both kinds of shutdown that PostgreSQL has for a server with open sessions. */
export const restarts: readonly Fault[] = [
  restart("postgres-restart", "PostgreSQL ends all sessions, writes a checkpoint and starts again.", "SIGINT"),
  restart("postgres-crash", "PostgreSQL ends at once, and recovers from its log when it starts again.", "SIGQUIT"),
];
