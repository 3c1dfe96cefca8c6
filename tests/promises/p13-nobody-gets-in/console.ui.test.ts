/** P13 in a real browser: it asks for the token as a password by itself, and sends it with everything; other origins gain nothing by that. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Browser } from "playwright-core";
import { launchChromium } from "../../harness/chromium.ts";
import { ConsolePage } from "../../harness/console-page.ts";
import { ISSUER, Issuer } from "../../harness/issuer.ts";
import { freePort } from "../../harness/parts.ts";
import { sharedStack } from "../../harness/shared-stack.ts";
import { Started } from "../../harness/started.ts";

let browser: Browser;
let issuer: Issuer;
let console: Started;

beforeAll(async () => {
  const [stack, launched] = await Promise.all([sharedStack(), launchChromium()]);
  browser = launched;
  issuer = await Issuer.start();
  console = new Started("console", {
    LOCKSTEP_AUTH: "jwt",
    LOCKSTEP_AUTH_ISSUER: ISSUER,
    LOCKSTEP_AUTH_JWKS: issuer.url,
    LOCKSTEP_CONSOLE_OPERATIONS: "true",
    PORT: String(await freePort()),
    LOCKSTEP_SOURCE_DATABASE_URL: await stack.url("gateway-db"),
    LOCKSTEP_REPLICA_DATABASE_URLS: `catalog=${await stack.url("catalog-db")},storefront=${await stack.url("storefront-db")}`,
    LOCKSTEP_SERVICE_URLS: `gateway=${await stack.url("gateway")}`,
    REDIS_URL: await stack.url("redis"),
    KAFKA_BROKERS: (await stack.brokers()).join(","),
  });
  await console.up();
}, 180_000);

afterAll(async () => {
  await browser?.close();
  await console?.[Symbol.asyncDispose]();
  issuer?.[Symbol.dispose]();
});

test("page, files and stream come with the password, and another origin's requests with it are refused", async () => {
  const httpCredentials = { username: "anybody", password: await issuer.token() };
  await using ui = await ConsolePage.open(browser, console.url, { httpCredentials });
  await ui.says("#state", /\w/);
  await ui.says("#p50-note", /\w/);
  await ui.press("Create");
  await ui.says("#journey .way-head", /created[\s\S]*readable everywhere after/);
  expect(ui.complaints).toEqual([]);

  using evil = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => new Response("<!doctype html><title>evil</title>", { headers: { "content-type": "text/html" } }),
  });
  const other = await ui.page.context().newPage();
  await other.goto(`http://127.0.0.1:${evil.port}/`);
  const answered = other.waitForResponse(`${console.url}/api/pause`);
  const body = JSON.stringify({ name: "stream", paused: true });
  const pause = { method: "POST", mode: "no-cors", credentials: "include", body } as const;
  await other.evaluate(([url, init]) => fetch(url, init), [`${console.url}/api/pause`, pause] as const);
  // Another port is another origin of the same site: to those Chromium sends the password (else it would be 401), and the guard refuses.
  expect((await answered).status()).toBe(403);
}, 60_000);
