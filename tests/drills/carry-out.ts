/** Carries out the drills of docs/operate/recovery.md: runs their commands as they stand there, and checks the result. */
import { expect } from "bun:test";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { removeAtExit } from "../harness/clean-up-at-exit.ts";
import { eventually } from "../harness/eventually.ts";
import { Writers } from "../harness/load.ts";
import { runLockstep } from "../harness/run-lockstep.ts";
import { temporaryFolder } from "../harness/servers.ts";
import type { Stack } from "../harness/stack.ts";
import { findLostWrites, untilInStep } from "../harness/stack-checker.ts";
import { type Drill, drillsOf, setupOf } from "./page.ts";

const page = readFileSync(join(import.meta.dir, "../../docs/operate/recovery.md"), "utf8");

/** All drills of the page. */
export const drills: readonly Drill[] = drillsOf(page);

/** Environment of the stacks: only the commands of a drill verify. */
export const ENV = { LOCKSTEP_VERIFY_EVERY_S: "0" };

/** The only drills that may lose acknowledged writes: the source itself went back. */
const SOURCE_GOES_BACK = /^The source is /;

/** Programs that the page uses, for this stack: `bun` with its data folder, `rpk` and `psql` without an installation. */
function programs({ data, portBase }: Stack): string {
  const folder = temporaryFolder("drills");
  removeAtExit(folder);
  const program = (name: string, text: string) => {
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(folder, name), 0o755);
  };
  const clients = join(import.meta.dir, "clients.ts");
  program(
    "bun",
    `if [ "$2" = up ]; then set -- "$@" --port-base ${portBase}; fi\nexec "${process.execPath}" "$@" --data "${data}"`,
  );
  for (const name of ["psql", "rpk"])
    program(name, `DRILL_BROKER=127.0.0.1:${portBase + 20} exec "${process.execPath}" "${clients}" ${name} "$@"`);
  return folder;
}

/** Runs shell commands of the page. @throws {Error} with their output when one fails. */
async function run({ root, data, portBase }: Stack, path: string, commands: string): Promise<void> {
  const ports = (text: string) => text.replaceAll(/\b80(\d\d)\b/g, (_, n) => String(portBase + Number(n) - 80 + 0));
  const script = ports(`${setupOf(page)}\n${commands}`).replaceAll(/(?<=[\s(])\.lockstep\b/g, data);
  const child = Bun.spawn(["bash", "-euo", "pipefail", "-c", script], {
    cwd: root,
    env: { ...process.env, ...ENV, PATH: `${path}:${process.env.PATH}` },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (status !== 0) throw new Error(`exit ${status} of:\n${commands}\n${stdout}\n${stderr}`);
}

/**
 * Writes, carries out the commands that lose data and those that recover, and checks that every copy is in step.
 *
 * @param clients folder with the client programs that the drill needs.
 * @throws {Error} with the output of a command that fails.
 */
export async function carryOut(on: Stack, { title, practise, recover }: Drill, clients = ""): Promise<void> {
  const path = `${programs(on)}:${clients}`;
  const writers = new Writers(await on.address("gateway"), 100).start();
  await Bun.sleep(2_000);
  await writers.stop();
  await untilInStep(on, 60_000);
  await run(on, path, practise);
  await run(on, path, recover);
  await untilInStep(on, 30_000);
  if (!SOURCE_GOES_BACK.test(title)) expect(await findLostWrites(on, writers)).toEqual([]);
  const after = new Writers(await on.address("gateway"), 50).start();
  await Bun.sleep(1_000);
  await after.stop();
  expect(after.problems).toEqual([]);
  await untilInStep(on, 30_000);
  await eventually(
    async () => {
      const { status, stdout } = await runLockstep(on, "status");
      if (status !== 0) throw new Error(stdout);
      return true;
    },
    { timeoutMs: 15_000, what: "the conditions to end" },
  );
}
