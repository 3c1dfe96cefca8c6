/** What is written, and that it gets out. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import type { Logger } from "./logger.ts";
import { Outage } from "./outage.ts";

const module = join(import.meta.dir, "logger.ts");

const run = async (script: string): Promise<Record<string, unknown>[]> => {
  const child = Bun.spawn(
    [process.execPath, "-e", `const { createLogger } = await import(${JSON.stringify(module)}); ${script}`],
    {
      stdout: "pipe",
    },
  );
  const text = await new Response(child.stdout).text();
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
};

test("no line is lost when the process ends right after it, however many there are and however slowly they are read", async () => {
  const lines = await run(`
    const logger = createLogger("stream", "2", "info");
    for (let i = 0; i < 20_000; i++) logger.info({ i }, "a line that is long enough to fill a pipe many times over");
    process.exit(0);
  `);
  expect(lines.map(({ i }) => i)).toEqual(Array.from({ length: 20_000 }, (_, i) => i));
});

test("a line says which service wrote it and when, and hides what is nobody's business; errors keep their stack and cause", async () => {
  const [line, asked, failure] = await run(`
    const logger = createLogger("gateway", "1", "info");
    logger.debug("too small to be told");
    logger.info({ url: "postgres://u:p@h/d", database: { password: "p" } }, "connected");
    logger.info({ authorization: "s3cret", headers: { authorization: "s3cret" }, request: { headers: { authorization: "s3cret", accept: "x" } } }, "asked");
    logger.error({ err: new Error("outer", { cause: new Error("inner") }) }, "failed");
  `);
  expect(line).toMatchObject({
    level: "info",
    service: "gateway",
    instance: "1",
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    msg: "connected",
    url: "(hidden)",
    database: { password: "(hidden)" },
  });
  expect(asked!.request).toEqual({ headers: { authorization: "(hidden)", accept: "x" } });
  expect(JSON.stringify(asked)).not.toContain("s3cret");
  expect(failure).toMatchObject({ level: "error", err: { type: "Error", message: expect.stringContaining("outer") } });
  expect(String((failure!.err as { stack: string }).stack)).toContain("inner");
});

test("what fails again and again is told once, each minute, and when it is over", () => {
  const told: unknown[][] = [];
  const at = (level: string) => (details: Record<string, unknown>, message: string) =>
    void (level === "debug" || told.push([level, message, details.attempts]));
  const logger = { info: at("info"), warn: at("warn"), debug: at("debug") } as unknown as Logger;
  const outage = new Outage(logger, "the log is away", "the log is back");
  outage.ended();
  for (let i = 0; i < 5; i++) outage.failed(new Error("refused"));
  outage.ended();
  outage.ended();
  outage.failed(new Error("refused"));
  expect(told).toEqual([
    ["warn", "the log is away", 1],
    ["info", "the log is back", 5],
    ["warn", "the log is away", 1],
  ]);
});
