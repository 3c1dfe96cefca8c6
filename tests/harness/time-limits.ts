/**
 * Gives each test the time limit of its group. Bun loads this module before a test run (bunfig.toml), because its own limit
 * of 5 s is too short for servers, and `--timeout` would have to be repeated for every `bun test FILE`.
 */
import { setDefaultTimeout } from "bun:test";
import { plugin } from "bun";
import type { Group } from "./test-jobs.ts";

/** Time limit of one test by group, in milliseconds, unless the test sets its own. Allows for a concurrent job. */
const LIMITS_MS: Readonly<Record<Exclude<Group, "static">, number>> = {
  unit: 10_000,
  simulation: 300_000,
  int: 60_000,
  otel: 120_000,
  e2e: 120_000,
  ui: 120_000,
  fault: 300_000,
  container: 60_000,
};

// Bun resets the limit for each test file. Resolving the file is the last event before its tests are registered.
plugin({
  name: "time limit of the group",
  setup: (build) => {
    for (const [group, limitMs] of Object.entries(LIMITS_MS))
      build.onResolve({ filter: new RegExp(`\\.${group}\\.test\\.ts$`) }, () => {
        setDefaultTimeout(limitMs);
        return undefined;
      });
  },
});
