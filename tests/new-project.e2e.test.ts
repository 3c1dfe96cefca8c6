/** The npm package in an empty folder: what a user does with a project of their own, from `bunx` to its first green test. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { stopStackAtExit } from "./harness/clean-up-at-exit.ts";
import { temporaryFolder } from "./harness/servers.ts";
import { freePortBase } from "./harness/stack.ts";

const root = join(import.meta.dir, "..");
const folder = temporaryFolder("new-project");
const app = join(folder, "my-app");
const data = join(app, ".lockstep");
let tarball: string;
/** Where `bunx` keeps what it installed. */
let bunxFolder: string;

/** Runs a command as a user does, in the project's folder. */
async function run(command: readonly string[], cwd = app) {
  const child = Bun.spawn([...command], { cwd, stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { status, stdout, output: `${stdout}${stderr}` };
}

const bun = (...args: string[]) => run([process.execPath, ...args]);

/** Runs a command that must succeed. @throws {Error} with its output when it does not. */
async function succeed(...args: string[]): Promise<string> {
  const startedAt = performance.now();
  const { status, stdout, output } = await bun(...args);
  if (status !== 0) throw new Error(`bun ${args.join(" ")} ended with ${status}:\n${output}`);
  console.log(`bun ${args.slice(0, 2).join(" ")}: ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
  return stdout;
}

/** What the compiler says about the project's entity with one mistake in it. */
async function typeErrors(right: string, wrong: string): Promise<string> {
  const file = join(app, "entities/task.ts");
  const text = readFileSync(file, "utf8");
  await Bun.write(file, text.replace(right, wrong));
  const { output } = await bun("run", "typecheck");
  await Bun.write(file, text);
  return output;
}

beforeAll(async () => {
  await Bun.write(join(app, ".keep"), "");
  const packed = await run([process.execPath, "pm", "pack", "--destination", folder], root);
  if (packed.status !== 0) throw new Error(packed.output);
  tarball = join(folder, "lockstep-0.1.0.tgz");
  bunxFolder = join((await bun("pm", "cache")).stdout.trim(), `.bunx-${process.getuid?.()}`, `lockstep@${tarball}`);
  stopStackAtExit(data, false);
}, 60_000);

afterAll(async () => {
  await bun("run", "down");
  rmSync(bunxFolder, { recursive: true, force: true });
}, 60_000);

test("the package has what runs, and no tests", async () => {
  const { stdout } = await run(["tar", "tzf", tarball]);
  const paths = stdout.trim().split("\n");
  for (const path of ["lockstep.ts", "bin/lockstep.js", "types/contracts/index.d.ts", "types/stack/testing.d.ts"])
    expect(paths).toContain(`package/${path}`);
  expect(paths.filter((path) => /\.test\.ts$|^package\/(tests|load-tests|chaos|examples|docs)\//.test(path))).toEqual(
    [],
  );
});

test("init, install, a new entity and replica, typecheck, up, test and verify in an empty folder", async () => {
  await succeed("x", `lockstep@${tarball}`, "init");
  await succeed("install");
  expect(await succeed("run", "--silent", "lockstep", "generate", "--check")).toBe("everything is generated\n");
  expect(await succeed("run", "--silent", "lockstep", "new", "entity", "customer")).toContain(
    "wrote migrations/source/0002-customers.sql, migrations/board/0002-customers.sql",
  );
  expect(await succeed("run", "--silent", "lockstep", "new", "replica", "archive")).toContain("compose.yaml");
  await succeed("run", "typecheck");
  expect(await typeErrors('private: ["notes"]', 'private: ["notez"]')).toContain("notez");
  expect(await typeErrors('({ status }) => status === "open"', "(task) => task.statuz")).toContain("statuz");
  const report = await succeed("run", "up", "--detach", "--port-base", String(await freePortBase()));
  expect(report).toContain("a test write reached every replica and its cache");
  await succeed("run", "test");
  expect(JSON.parse(await succeed("run", "--silent", "status", "--json"))).toMatchObject({ ready: true });
  const verified = await succeed("run", "lockstep", "verify");
  for (const entity of ["task", "customer"])
    for (const replica of ["board", "archive"]) expect(verified).toMatch(new RegExp(`${entity} +${replica} .* equal`));
  await succeed("run", "down");
}, 120_000);

test("init names the files that it would overwrite, and overwrites them with --force only", async () => {
  const config = join(app, "lockstep.config.ts");
  await Bun.write(config, "// mine");
  const refused = await bun("run", "lockstep", "init");
  expect(refused.status).toBe(1);
  expect(refused.output).toContain("would overwrite: lockstep.config.ts, entities/task.ts");
  expect(readFileSync(config, "utf8")).toBe("// mine");
  await succeed("run", "lockstep", "init", "--force");
  expect(readFileSync(config, "utf8")).toContain("defineProject");
  // The replica that the new declarations do not name any more.
  rmSync(join(app, "migrations/archive"), { recursive: true });
});

test.skipIf(!Bun.which("node"))("Node starts Bun, and passes on arguments and exit status", async () => {
  const program = ["node", "node_modules/lockstep/bin/lockstep.js"];
  expect((await run([...program, "--version"])).stdout.trim()).toBe("0.1.0");
  expect((await run([...program, "openapi", "nobody"])).status).toBe(1);
});
