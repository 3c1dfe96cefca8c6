/** `bun run chaos` as users run it: one short run of a fixed seed, in which every promise holds. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import type { RunSummary } from "../chaos/report.ts";
import { temporaryFolder } from "./harness/servers.ts";

/** A replica and Redis are suspended, a stream is kept down. Another list of faults may need another seed. */
const SEED = 8;
const SECONDS = 20;

test("P1 to P11: every promise holds in a seeded run of chaos", async () => {
  const folder = temporaryFolder("chaos");
  const json = join(folder, "runs.json");
  const faults = "kill,terminate,kept-down,suspended";
  const flags = ["--seed", SEED, "--seconds", SECONDS, "--faults", faults, "--json", json, "--keep", folder].map(
    String,
  );
  const child = Bun.spawn([process.execPath, "chaos/main.ts", ...flags], {
    cwd: join(import.meta.dir, ".."),
    stdout: "pipe",
    stderr: "inherit",
  });
  const [output, status] = await Promise.all([new Response(child.stdout).text(), child.exited]);
  console.log(output);
  expect(status, output).toBe(0);
  const [run] = (await Bun.file(json).json()) as RunSummary[];
  expect(run).toMatchObject({ seed: SEED, verdict: "held", violations: [] });
  expect(run!.faults.length).toBeGreaterThanOrEqual(3);
  expect(run!.writes).toBeGreaterThan(100);
  expect(run!.reads).toBeGreaterThan(500);
}, 300_000);
