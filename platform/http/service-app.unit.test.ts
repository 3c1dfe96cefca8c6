import { describe, expect, test } from "bun:test";
import { conditions } from "../../contracts/conditions.ts";
import { type ErrorCode, policy, RequestError } from "../../contracts/errors.ts";
import { createLogger } from "../../observability/logger.ts";
import { createMetrics } from "../../observability/metrics.ts";
import type { Check } from "../service.ts";
import { VERSION } from "../version.ts";
import type { CheckResult } from "./condition-watch.ts";
import { problem } from "./problem.ts";
import { serviceApp } from "./service-app.ts";

function app(checks: readonly Check[] = []) {
  const metrics = createMetrics("test", "1");
  const made = serviceApp({ checks, metrics, logger: createLogger("test", "1", "silent") });
  made.get("/things/:id", (c) => c.json({ id: c.req.param("id") }));
  made.post("/things", (c) => c.body(null, 204));
  made.get("/broken", () => {
    throw new Error("password=hunter2 in /srv/secret.ts");
  });
  made.get("/busy", () => {
    throw new RequestError("UNAVAILABLE", "The database is unavailable.", { cause: new Error("10.0.0.7 refused") });
  });
  return { app: made, metrics };
}

describe("a problem (RFC 9457)", () => {
  test("has type, title, status, detail, instance and code, for every code", async () => {
    for (const code of Object.keys(policy) as ErrorCode[]) {
      const response = problem(new RequestError(code, "What happened."), "/things/a b", "f".repeat(32));
      expect(response.headers.get("content-type")).toBe("application/problem+json");
      expect(response.status).toBe(policy[code].http);
      expect(await response.json()).toEqual({
        type: `/problems/${code.toLowerCase().replaceAll("_", "-")}`,
        title: policy[code].title,
        status: policy[code].http,
        detail: "What happened.",
        instance: "/things/a%20b",
        code,
        traceId: "f".repeat(32),
      });
    }
  });

  test("has Retry-After only for an error that may pass", () => {
    const retryAfter = (code: ErrorCode, seconds?: number) =>
      problem(new RequestError(code, "", seconds === undefined ? {} : { retryAfterSeconds: seconds }), "/").headers.get(
        "retry-after",
      );
    expect(retryAfter("UNAVAILABLE")).toBe("1");
    expect(retryAfter("UNAVAILABLE", 7)).toBe("7");
    expect(retryAfter("CONFLICT")).toBeNull();
  });

  test("of an unexpected error contains no details of it", async () => {
    for (const path of ["/broken", "/busy"]) {
      const response = await app().app.request(path);
      const text = await response.text();
      expect(response.status).toBe(path === "/broken" ? 500 : 503);
      expect(text).not.toMatch(/hunter2|secret|10\.0\.0\.7|stack/);
      expect(JSON.parse(text).detail).toBe(
        path === "/broken"
          ? "An unexpected error occurred. The service's log has the details."
          : "The database is unavailable.",
      );
    }
  });
});

describe("health", () => {
  const check = (problem: Check["problem"], more: Partial<Check> = {}): Check => ({
    condition: "source-unavailable",
    blocksReadiness: true,
    problem,
    ...more,
  });
  const checksOf = async (response: Response) => ((await response.json()) as { checks: CheckResult[] }).checks;

  test("is live independently of the checks, and ready when no check has a problem", async () => {
    let why: string | undefined = "not reached yet";
    const { app: service } = app([check(() => why), check(() => undefined, { condition: "log-unavailable" })]);
    expect((await service.request("/health/live")).status).toBe(200);
    const before = await service.request("/health/ready");
    expect([before.status, await before.json()]).toEqual([
      503,
      {
        status: "not ready",
        version: VERSION,
        checks: [
          {
            condition: "source-unavailable",
            problem: "not reached yet",
            blocksReadiness: true,
            since: expect.any(String),
            remedy: conditions["source-unavailable"].remedy,
          },
          { condition: "log-unavailable", problem: null, blocksReadiness: true },
        ],
      },
    ]);
    why = undefined;
    expect((await service.request("/health/ready")).status).toBe(200);
  });

  test("shows a condition that does not block readiness, with the time at which it appeared", async () => {
    let why: string | undefined = "2 open";
    const { app: service } = app([
      check(() => why, { condition: "dead-letters-open", blocksReadiness: false, note: () => "3 in all" }),
    ]);
    const response = await service.request("/health/ready");
    expect(response.status).toBe(200);
    const [first] = await checksOf(response);
    expect(first).toMatchObject({ condition: "dead-letters-open", problem: "2 open", note: "3 in all" });
    while (new Date().toISOString() === first!.since) await new Promise((resolve) => setImmediate(resolve));
    why = "3 open";
    expect((await checksOf(await service.request("/health/ready")))[0]!.since).toBe(first!.since);
    why = undefined;
    expect((await checksOf(await service.request("/health/ready")))[0]!.since).toBeUndefined();
    why = "1 open";
    const again = (await checksOf(await service.request("/health/ready")))[0]!;
    expect(Date.parse(again.since!)).toBeGreaterThan(Date.parse(first!.since!));
  });

  test("reports each condition as a gauge: 1 while any of its checks has a problem", async () => {
    let why: string | undefined = "no answer";
    const { metrics } = app([check(() => undefined), check(() => why)]);
    const gauge = async () => (await metrics.text()).match(/lockstep_condition\{.*source-unavailable.*\} (\d)/)?.[1];
    expect(await gauge()).toBe("1");
    why = undefined;
    expect(await gauge()).toBe("0");
  });
});

describe("without a matching route", () => {
  const requested = async (method: string, path: string) => {
    const response = await app().app.request(path, { method });
    return [response.status, response.headers.get("allow")];
  };

  test("the problem names the allowed methods, or says that no resource has the path", async () => {
    const detail = async (method: string, path: string) =>
      ((await (await app().app.request(path, { method })).json()) as { detail: string }).detail;
    expect(await detail("POST", "/things/1")).toBe("This resource does not support POST. Allowed: GET, HEAD, OPTIONS.");
    expect(await detail("GET", "/nothing")).toBe("No resource has this path.");
  });

  test("405 with Allow, 204 for OPTIONS, 404 for unknown paths", async () => {
    expect(await requested("POST", "/things/1")).toEqual([405, "GET, HEAD, OPTIONS"]);
    expect(await requested("GET", "/things")).toEqual([405, "OPTIONS, POST"]);
    expect(await requested("OPTIONS", "/things/1")).toEqual([204, "GET, HEAD, OPTIONS"]);
    for (const path of ["/things/", "/nothing", "/things/1/2", "/"])
      expect(await requested("GET", path)).toEqual([404, null]);
  });
});

test("the metric counts requests by route, not by path", async () => {
  const { app: service, metrics } = app();
  for (const path of ["/things/1", "/things/2", "/nowhere", "/broken"]) await service.request(path);
  const text = await metrics.text();
  const count = (route: string, status: number) =>
    new RegExp(
      `_count{.*http_route="${route.replace("*", "\\*")}",http_response_status_code="${status}",.*} (\\d+)`,
    ).exec(text)?.[1];
  expect([count("/things/:id", 200), count("/*", 404), count("/broken", 500)]).toEqual(["2", "1", "1"]);
  expect(text).not.toContain("nowhere");
});

test("an unknown method creates no series, and Accept selects OpenMetrics", async () => {
  const { app: service } = app();
  await service.request("/things/1", { method: "PROPFIND" });
  const scrape = async (accept: string) => {
    const response = await service.request("/metrics", { headers: { accept } });
    return { type: response.headers.get("content-type"), text: await response.text() };
  };
  const plain = await scrape("*/*");
  expect(plain.type).toStartWith("text/plain; version=0.0.4");
  expect(plain.text).toContain('http_request_method="_OTHER"');
  expect(plain.text).not.toContain("PROPFIND");
  const open = await scrape("application/openmetrics-text; version=1.0.0");
  expect(open.type).toStartWith("application/openmetrics-text; version=1.0.0");
  expect(open.text).toEndWith("# EOF\n");
});
