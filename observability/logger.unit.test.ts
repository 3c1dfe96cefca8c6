/** The format of log lines, and that none is lost. */
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

test("no line is lost when the process exits, with many lines and a slow reader", async () => {
  const lines = await run(`
    const logger = createLogger("stream", "2", "info");
    for (let i = 0; i < 20_000; i++) logger.info({ i }, "a line that is long enough to fill a pipe many times over");
    process.exit(0);
  `);
  expect(lines.map(({ i }) => i)).toEqual(Array.from({ length: 20_000 }, (_, i) => i));
});

test("a line has service and time and hides secrets; errors have their stack and cause", async () => {
  const [line, asked, failure] = await run(`
    const logger = createLogger("gateway", "1", "info");
    logger.debug("below the level");
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

test("an outage is logged once, then once a minute, and when it is over", () => {
  const logged: unknown[][] = [];
  const at = (level: string) => (details: Record<string, unknown>, message: string) =>
    void (level === "debug" || logged.push([level, message, details.attempts]));
  const logger = { info: at("info"), warn: at("warn"), debug: at("debug") } as unknown as Logger;
  const outage = new Outage(logger, "the log is unavailable", "the log is available again");
  outage.ended();
  for (let i = 0; i < 5; i++) outage.failed(new Error("refused"));
  outage.ended();
  outage.ended();
  outage.failed(new Error("refused"));
  expect(logged).toEqual([
    ["warn", "the log is unavailable", 1],
    ["info", "the log is available again", 5],
    ["warn", "the log is unavailable", 1],
  ]);
});
