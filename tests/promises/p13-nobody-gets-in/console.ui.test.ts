/**
 * P13 in a real browser: it sends the token as a password with each request, and pages of other origins cannot use it.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Browser } from "playwright-core";
import { launchChromium } from "../../harness/chromium.ts";
import { ConsolePage } from "../../harness/console-page.ts";
import { freePort } from "../../harness/servers.ts";
import { ServiceProcess } from "../../harness/service-process.ts";
import { sharedStack } from "../../harness/shared-stack.ts";
import { ISSUER, TestIssuer } from "../../harness/token-issuer.ts";

let browser: Browser;
let issuer: TestIssuer;
let console: ServiceProcess;

beforeAll(async () => {
  const [stack, launched] = await Promise.all([sharedStack(), launchChromium()]);
  const replicas = [`catalog=${await stack.url("catalog-db")}`, `storefront=${await stack.url("storefront-db")}`];
  browser = launched;
  issuer = await TestIssuer.start();
  console = new ServiceProcess("console", {
    LOCKSTEP_AUTH: "jwt",
    LOCKSTEP_AUTH_ISSUER: ISSUER,
    LOCKSTEP_AUTH_JWKS: issuer.url,
    LOCKSTEP_CONSOLE_OPERATIONS: "true",
    PORT: String(await freePort()),
    LOCKSTEP_SOURCE_DATABASE_URL: await stack.url("gateway-db"),
    LOCKSTEP_REPLICA_DATABASE_URLS: replicas.join(","),
    LOCKSTEP_SERVICE_URLS: `gateway=${await stack.url("gateway")}`,
    REDIS_URL: await stack.url("redis"),
    KAFKA_BROKERS: (await stack.brokers()).join(","),
  });
  await console.untilReady();
}, 180_000);

afterAll(async () => {
  await browser?.close();
  await console?.[Symbol.asyncDispose]();
  issuer?.[Symbol.dispose]();
});

test("P13: the password opens page, files and stream, and requests of another origin are rejected", async () => {
  const httpCredentials = { username: "any", password: await issuer.token() };
  await using ui = await ConsolePage.open(browser, console.url, { httpCredentials });
  await ui.waitForText("#state", /\w/);
  await ui.waitForText("#p50-note", /\w/);
  await ui.press("Create");
  await ui.waitForText("#journey .journey-head", /created[\s\S]*readable everywhere after/);
  expect(ui.browserErrors).toEqual([]);

  using attacker = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => new Response("<!doctype html><title>evil</title>", { headers: { "content-type": "text/html" } }),
  });
  const other = await ui.page.context().newPage();
  await other.goto(`http://127.0.0.1:${attacker.port}/`);
  const response = other.waitForResponse(`${console.url}/api/pause`);
  const body = JSON.stringify({ name: "stream", paused: true });
  const pause = { method: "POST", mode: "no-cors", credentials: "include", body } as const;
  await other.evaluate(([url, init]) => fetch(url, init), [`${console.url}/api/pause`, pause] as const);
  // Another port is another origin of the same site. Chromium sends the password to it; without the password, the
  // status would be 401.
  expect((await response).status()).toBe(403);
}, 60_000);
