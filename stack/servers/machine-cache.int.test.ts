import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "../../tests/harness/servers.ts";
import { cached } from "./machine-cache.ts";

const module = join(import.meta.dirname, "machine-cache.ts");

/** A process that fills the cache: it appends a line to `fills` and needs half a second. */
const fillingProcess = (base: string) =>
  Bun.spawn(
    [
      process.execPath,
      "-e",
      `const { cached } = await import(${JSON.stringify(module)});
       const { appendFileSync, writeFileSync } = await import("node:fs");
       await cached("tool", async (folder) => {
         appendFileSync(${JSON.stringify(join(base, "fills"))}, "fill\\n");
         await Bun.sleep(500);
         writeFileSync(folder + "/program", "x");
       }, { base: ${JSON.stringify(base)} });`,
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );

test("two processes that need the same component fetch it once; the second waits and prints the pid of the first", async () => {
  const base = temporaryFolder("machine-cache");
  const processes = [fillingProcess(base), fillingProcess(base)];
  expect(await Promise.all(processes.map(({ exited }) => exited))).toEqual([0, 0]);
  expect(readFileSync(join(base, "fills"), "utf8")).toBe("fill\n");
  expect(existsSync(join(base, "tool/program"))).toBe(true);
  const output = await Promise.all(processes.map(({ stderr }) => new Response(stderr).text()));
  expect(output.join("")).toMatch(/process \d+ is fetching tool; waiting for it/);
});

test("the lock and the attempt of a process that was killed do not block the next one", async () => {
  const base = temporaryFolder("machine-cache");
  const killed = fillingProcess(base);
  while (!existsSync(join(base, "fills"))) await Bun.sleep(10);
  killed.kill("SIGKILL");
  await killed.exited;
  expect(readdirSync(base).some((name) => name.startsWith("tool.part-"))).toBe(true);
  await cached("tool", async (folder) => writeFileSync(join(folder, "program"), "x"), { base });
  expect(readdirSync(base).sort()).toEqual(["fills", "tool"]);
});

test("a failed attempt leaves nothing behind, and the next one runs", async () => {
  const base = temporaryFolder("machine-cache");
  const attempt = cached(
    "tool",
    async (folder) => {
      mkdirSync(join(folder, "half"));
      throw new Error("no network");
    },
    { base },
  );
  await expect(attempt).rejects.toThrow("no network");
  expect(readdirSync(base)).toEqual([]);
});
