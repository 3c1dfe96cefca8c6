/** Runs the commands of docs/operate/recovery.md as they stand there, and checks that every copy is in step again. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { removeAtExit } from "../harness/clean-up-at-exit.ts";
import { Writers } from "../harness/load.ts";
import { runLockstep } from "../harness/run-lockstep.ts";
import { temporaryFolder } from "../harness/servers.ts";
import { Stack } from "../harness/stack.ts";
import { findLostWrites, untilInStep } from "../harness/stack-checker.ts";
import { type Drill, drillsOf, setupOf } from "./page.ts";

setDefaultTimeout(240_000);

const page = readFileSync(join(import.meta.dir, "../../docs/operate/recovery.md"), "utf8");
const drills = drillsOf(page);
/** The only drills that may lose acknowledged writes: the source itself went back. */
const SOURCE_GOES_BACK = /^The source is /;

const ENV = { LOCKSTEP_VERIFY_EVERY_S: "0" };

let stack: Stack | undefined;
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
}, 60_000);

/** Programs that the page uses, for this stack: `bun` with its data folder, `rpk` and `psql` without an installation. */
function programs({ data, portBase }: Stack): string {
  const folder = temporaryFolder("drills");
  removeAtExit(folder);
  mkdirSync(folder, { recursive: true });
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

/** Writes, loses, recovers, and checks. */
async function carryOut(on: Stack, { title, practise, recover }: Drill): Promise<void> {
  const path = programs(on);
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
  const status = await runLockstep(on, "status");
  expect(`${status.status} ${status.stdout}`).toStartWith("0 ");
}

for (const drill of drills.filter(({ needs }) => needs === "nothing"))
  test(`drill: ${drill.title}`, async () => {
    stack ??= await Stack.start({ env: ENV });
    await carryOut(stack, drill);
  });

for (const drill of drills.filter(({ needs }) => needs === "three-brokers"))
  test(`drill: ${drill.title}`, async () => {
    await using three = await Stack.start({ brokers: 3, env: ENV });
    await carryOut(three, drill);
  });
