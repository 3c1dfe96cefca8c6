/** Loads files of projects, each in a process of its own, as a command does. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { configFile } from "../tests/project/index.ts";

const folder = mkdtempSync(join(tmpdir(), "lockstep-project-file-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const lockstep = join(import.meta.dirname, "../lockstep.ts");

/** Runs a command in `folder`, and gives its exit status and what it printed. */
async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = Bun.spawn([process.execPath, lockstep, ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [output, errors] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { status: await child.exited, output, errors };
}

async function file(name: string, text: string): Promise<string> {
  await Bun.write(join(folder, name), text);
  return join(folder, name);
}

const projectIn = (namespace: string) =>
  `import { defineProject } from "lockstep";\nexport default defineProject({ entities: [], namespace: "${namespace}" });\n`;

const channels = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  Object.keys(JSON.parse((await run(["asyncapi", ...args], env)).output).channels);

test("--config comes before LOCKSTEP_CONFIG, and that before the working directory", async () => {
  await file("lockstep.config.ts", projectIn("here"));
  const [other, variable] = [await file("other.ts", projectIn("other")), await file("env.ts", projectIn("variable"))];
  expect(await channels([])).toContain("here.lockstep.control");
  expect(await channels([], { LOCKSTEP_CONFIG: variable })).toContain("variable.lockstep.control");
  expect(await channels(["--config", other], { LOCKSTEP_CONFIG: variable })).toContain("other.lockstep.control");
  expect(await channels([`--config=${configFile}`])).toContain("products.to.catalog");
}, 60_000);

test("a file that is no project ends the command with status 2 and what to do", async () => {
  const mistakes = {
    "it does not exist": [join(folder, "missing.ts"), "missing.ts does not exist; run the command in the folder"],
    "an error inside it": [await file("throws.ts", 'throw new Error("no price");'), "does not load: no price"],
    "no TypeScript": [await file("syntax.ts", "export default {{{"), "does not load: Expected"],
    "no default export": [await file("named.ts", "export const project = 1;"), "has no default export"],
    "another default export": [await file("number.ts", "export default 1;"), "is not a project"],
  };
  for (const [config, message] of Object.values(mistakes)) {
    const { status, errors } = await run(["verify", "--config", config!]);
    expect(errors).toContain(message!);
    expect(errors.trim().split("\n")).toHaveLength(1);
    expect(status).toBe(2);
  }
}, 60_000);

test("help, print-config and health work without a project", async () => {
  const without = { LOCKSTEP_CONFIG: join(folder, "missing.ts") };
  expect(await run(["verify", "--help"], without)).toMatchObject({ status: 0, errors: "" });
  expect(await run(["print-config"], without)).toMatchObject({ status: 0, errors: "" });
  expect((await run(["health"], { ...without, PORT: "1" })).errors).not.toContain("missing.ts");
}, 60_000);

test("a project may declare its columns with Drizzle's own modules, and has no copy of them beside it", async () => {
  const config = await file(
    "drizzle.ts",
    `import { sql } from "drizzle-orm";
import { pgTable, text, uuid } from "drizzle-orm/pg-core";
import { defineEntity, defineProject } from "lockstep";
const things = pgTable("things", { id: uuid().primaryKey().default(sql\`uuidv7()\`), name: text().notNull() });
export default defineProject({ entities: [defineEntity(things, { name: "thing", replicas: { copy: {} } })] });
`,
  );
  const { status, output, errors } = await run(["openapi", "copy", "--config", config]);
  expect({ status, errors }).toEqual({ status: 0, errors: "" });
  expect(Object.keys(JSON.parse(output).paths)).toContain("/things/{id}");
}, 60_000);
