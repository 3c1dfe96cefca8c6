/** The pages of docs/build/, run literally: from an empty folder to a project with changed entities and a new replica. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { readState } from "../stack/state.ts";
import { stopStackAtExit } from "./harness/clean-up-at-exit.ts";
import { type PageOptions, programFolder, runPage } from "./harness/doc-page.ts";
import { temporaryFolder } from "./harness/servers.ts";
import { freePortBase } from "./harness/stack.ts";

const PAGE_MS = 300_000;
const folder = temporaryFolder("build");
const project = join(folder, "my-shop");
const data = join(project, ".lockstep");
let options: PageOptions;
/** Where `bunx` keeps what it installed. */
let bunxFolder: string;

/** Runs a statement on a database of the stack. */
async function query(where: string, statement: string): Promise<void> {
  const owner = where === "source" ? "gateway" : where;
  const entry = readState(data)?.entries.find(({ name }) => name === `${owner}-db`);
  const sql = postgres(entry!.url, { max: 1, onnotice: () => {} });
  try {
    await sql.unsafe(statement);
  } finally {
    await sql.end();
  }
}

async function run(...command: string[]): Promise<string> {
  const child = Bun.spawn(command, { cwd: join(import.meta.dir, ".."), stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (status !== 0) throw new Error(`${command.join(" ")} ended with ${status}:\n${stdout}${stderr}`);
  return stdout.trim();
}

beforeAll(async () => {
  await run(process.execPath, "pm", "pack", "--destination", folder);
  const tarball = join(folder, "lockstep-0.1.0.tgz");
  bunxFolder = join(await run(process.execPath, "pm", "cache"), `.bunx-${process.getuid?.()}`, `lockstep@${tarball}`);
  const base = await freePortBase();
  mkdirSync(project);
  options = {
    folder: project,
    // Other stacks may use the ports of the pages. A stack without clients has no connections to drain.
    adapt: (text) =>
      text
        .replaceAll("/path/to/lockstep-0.1.0.tgz", tarball)
        .replaceAll("up --detach", `up --detach --port-base ${base}`)
        .replace(/localhost:80(\d\d)/g, (_, port: string) => `localhost:${base + Number(port) - 80}`),
    env: { PATH: `${programFolder(join(folder, "bin"))}:${process.env.PATH}`, LOCKSTEP_DRAIN_MS: "0" },
    query,
  };
  stopStackAtExit(data, false);
}, 60_000);

afterAll(async () => {
  await run("bash", "-c", `cd ${project} && ${process.execPath} run down`).catch(() => {});
  rmSync(bunxFolder, { recursive: true, force: true });
}, 60_000);

/** Each page continues the one before, so one failure would hide behind many. */
let failed: string | undefined;
const pages = ["first-entity", "add-a-field", "rename-a-field", "retype-a-field", "drop-a-field", "new-replica"];

for (const page of [...pages, "masks", "on-applied", "existing-table"])
  test(
    `the blocks of docs/build/${page}.md do what the page says`,
    async () => {
      expect(failed, "a page before failed").toBeUndefined();
      failed = page;
      await runPage(`docs/build/${page}.md`, options);
      failed = undefined;
    },
    PAGE_MS,
  );
