/** The console in a real browser with a running stack: what a user sees and does. All tests use one page, in order. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Browser } from "playwright-core";
import { deadLetterReasons } from "../contracts/dead-letter-reasons.ts";
import { launchChromium } from "./harness/chromium.ts";
import { request } from "./harness/client.ts";
import { ConsolePage, PHONE } from "./harness/console-page.ts";
import { eventually } from "./harness/eventually.ts";
import { newProduct } from "./harness/load.ts";
import { sharedStack } from "./harness/shared-stack.ts";
import type { Stack } from "./harness/stack.ts";
import { project } from "./project/index.ts";

let stack: Stack;
let browser: Browser;
let ui: ConsolePage;
let gateway: string;
let replicas: Record<string, string>;

beforeAll(async () => {
  [stack, browser] = await Promise.all([sharedStack(), launchChromium()]);
  const { services } = await stack.status();
  const urlOf = (name: string) => services.find((one) => one.name === name)!.url;
  gateway = urlOf("gateway");
  replicas = { catalog: urlOf("catalog"), storefront: urlOf("storefront") };
  ui = await ConsolePage.open(browser, urlOf("console"));
}, 180_000);

afterAll(async () => {
  await ui?.[Symbol.asyncDispose]();
  await browser?.close();
});

/** Id of the document in the form; empty for a new one. */
const selectedId = () => ui.page.locator("#document").inputValue();
const fill = (field: string, text: string) => ui.page.locator(`#write-form [name="${field}"]`).fill(text);

/** Creates a document from the form's example and waits until all replicas have it. @returns its id. */
async function create(change: () => Promise<unknown> = async () => {}): Promise<string> {
  await ui.page.locator("#document").selectOption("");
  await change();
  await ui.press("Create");
  await eventually(selectedId, { timeoutMs: 10_000, what: "the new document to be selected" });
  await ui.waitForText("#journey .journey-head", /created[\s\S]*readable everywhere after/);
  return await selectedId();
}

describe("the page shows", () => {
  test("the topology of each declared entity, with the state of each part", async () => {
    await ui.waitForText("#state", "In step", 30_000);
    for (const entity of project.entities) {
      const names = [
        `${entity.plural}.events`,
        `${entity.plural}.dead-letter`,
        ...entity.replicas.map(({ name }) => `${entity.plural}.to.${name}`),
      ];
      for (const name of [...names, "gateway", "relay", "stream"]) await ui.waitForText("#topology svg", name);
      for (const { name } of entity.replicas) expect(await ui.nodeText(name)).toMatch(/^lag \d/);
    }
    expect(await ui.nodeText("source")).toMatch(/^outbox \d/);
    expect(await ui.nodeText("gateway")).toMatch(/^version /);
    await ui.page.getByText("Show as a table").click();
    await ui.waitForText("#flow-table", /stream\s+lag \d/);
    await ui.page.getByText("Show as a table").click();
  });

  test("the latency from commit to readable, after the first write", async () => {
    await create();
    await ui.waitForText("#p50", /^\d+([.]\d)?$/);
    await ui.waitForText("#p50-note", /median of \d+ in 30 s/);
    await ui.screenshot("light-desktop", false);
    await ui.screenshot("light");
  });
});

describe("writes", () => {
  test("a create, a change and a delete are shown hop by hop, with milliseconds on the edges", async () => {
    const id = await create(() => fill("name", "Teapot"));
    for (const url of Object.values(replicas))
      expect((await request("GET", `${url}/products/${id}`)).body.name).toBe("Teapot");
    for (const edge of [
      "gateway>source",
      "relay>events",
      "stream>to.catalog",
      "catalog>catalog.db",
      "storefront>storefront.cache",
    ])
      await eventually(async () => /^\d/.test(await ui.edgeText(edge)), {
        timeoutMs: 5_000,
        what: `milliseconds on ${edge}`,
      });
    await ui.waitForText("#journey", /Published by the relay[\s\S]*products\.events\/\d+\/\d+/);

    await fill("name", "Teapot with a lid");
    await ui.page.locator('#write-form [name="status"]').selectOption("draft");
    await ui.press("Save");
    await ui.waitForText("#journey .journey-head", /changed[\s\S]*readable everywhere after/);
    await ui.waitForText("#journey .branches", "the replica's filter does not match");
    expect((await request("GET", `${replicas.catalog}/products/${id}`)).body).toMatchObject({
      name: "Teapot with a lid",
      version: 2,
    });
    expect((await request("GET", `${replicas.storefront}/products/${id}`)).status).toBe(404);

    await ui.press("Delete");
    await ui.waitForText("#journey .journey-head", /deleted[\s\S]*readable everywhere after/);
    expect((await request("GET", `${replicas.catalog}/products/${id}`)).status).toBe(404);
    expect(await selectedId()).toBe("");
  });

  test("the journey shows the trace id of the write in the log", async () => {
    const id = await create();
    const { body } = await request("GET", `${ui.url}/api/journey/${id}`);
    const [journey] = body.journeys as { traceId: string }[];
    await ui.waitForText("#journey .journey-foot", journey!.traceId);
  });

  test("an error of the gateway is shown at its field", async () => {
    await ui.page.locator("#document").selectOption("");
    await fill("price", "cheap");
    await ui.press("Create");
    await ui.waitForText("#field-price-error", 'must be a string like "19.90"');
    expect(await ui.page.locator('[name="price"]').getAttribute("aria-invalid")).toBe("true");
    expect(await ui.page.evaluate("document.activeElement.name")).toBe("price");
  });

  test("private values are neither listed nor sent to the page", async () => {
    const { body } = await request("GET", `${ui.url}/api/entities/products?limit=5`);
    const items = body.items as { document: object }[];
    expect(items.length).toBeGreaterThan(0);
    for (const { document } of items) expect(document).not.toHaveProperty("cost");
    const id = await create(() => fill("cost", "7.10"));
    expect(await ui.page.locator('[name="cost"]').inputValue()).toBe("");
    await fill("name", "Same cost");
    await ui.press("Save");
    await ui.waitForText("#journey .journey-head", /changed[\s\S]*readable everywhere after/);
    expect((await request("GET", `${gateway}/products/${id}`)).body).toMatchObject({ cost: "7.10", name: "Same cost" });
  });
});

describe("faults and recovery", () => {
  test("a paused replica falls behind while the others continue, and catches up after a resume", async () => {
    await ui.press("Pause storefront");
    await ui.waitForText("#state", "storefront is paused");
    await ui.page.locator("#document").selectOption("");
    await ui.press("Create");
    await ui.waitForText("#journey .branches", "pending, storefront is paused");
    for (let i = 0; i < 60; i++) await request("POST", `${gateway}/products`, newProduct());
    await eventually(async () => Number(/\d+/.exec(await ui.nodeText("storefront"))?.[0]) >= 60, {
      timeoutMs: 10_000,
      what: "the lag on the page",
    });
    await ui.waitForText("#log", "storefront falls behind");
    await ui.screenshot("paused");
    await ui.press("Resume storefront");
    await ui.waitForText("#journey .journey-head", "readable everywhere after");
    await ui.waitForText("#log", "storefront has caught up");
    await ui.waitForText("#state", "In step");
  });

  test("a poison message becomes a dead letter with its problem, and the next change supersedes it", async () => {
    await create();
    await ui.press("Send an invalid document");
    await ui.waitForText("#journey .journey-head", "a dead letter after");
    await ui.waitForText("#dead-letters", /invalid-document[\s\S]*open/);
    await ui.page
      .getByRole("button", { name: /^Show products\.events/ })
      .first()
      .click();
    await ui.waitForText("#dialog", /sku[\s\S]*expected string/);
    await ui.waitForText("#dialog", deadLetterReasons["invalid-document"].remedy);
    await ui.screenshot("dead-letter", false);
    expect(await ui.accessibilityViolations()).toEqual([]);
    await ui.page.keyboard.press("Escape");
    await fill("name", "Valid again");
    await ui.press("Save");
    await ui.waitForText("#dead-letters", /invalid-document[\s\S]*superseded/, 30_000);
  });

  test("a dead letter can be replayed and dropped", async () => {
    await create();
    await ui.press("Send invalid JSON");
    await ui.waitForText("#dead-letters", /malformed-json[\s\S]*open/);
    await ui.page
      .getByRole("button", { name: /^Replay products\.events/ })
      .first()
      .click();
    // The replayed message is still invalid: it becomes a dead letter with another origin.
    await ui.waitForText("#dead-letters", /malformed-json[\s\S]*open[\s\S]*malformed-json[\s\S]*replayed/);
    await ui.page
      .getByRole("button", { name: /^Drop products\.events/ })
      .first()
      .click();
    await ui.waitForText("#dead-letters", /malformed-json[\s\S]*dropped/);
    await ui.waitForText("#log", "A user dropped dead letters: 1");
  });

  test("the caches are off while Redis does not answer, and on again after that", async () => {
    await ui.press("Pause Redis for 8 s");
    // A replica notices the outage when it writes to the cache.
    const product = await request("POST", `${gateway}/products`, newProduct(), { prefer: "wait=8" });
    await ui.waitForText("#log", /the cache of catalog is off/, 20_000);
    expect((await request("GET", `${replicas.catalog}/products/${product.body.id}`)).status).toBe(200);
    await ui.waitForText("#log", /the cache of catalog is on again/, 30_000);
    await ui.waitForText("#state", "In step", 30_000);
  });

  test("a verification finds a tampered row, and a repair restores it", async () => {
    const id = await create(() => fill("name", "Original name"));
    const before = (await request("GET", `${replicas.catalog}/products/${id}`)).body;
    await ui.press("Tamper with catalog");
    await ui.waitForText("#log", "A user tampered with a row of catalog");
    await ui.press("Verify now");
    await ui.waitForText("#verification", /Verification: done: \d+ rows, [1-9]\d* differ/, 60_000);
    await ui.waitForText("#state", "catalog differed from the source in the last verification");
    await ui.screenshot("differs");
    await ui.press("Repair");
    await ui.waitForText("#verification", /Repair: done: \d+ differed, 1 sent again, 0 still differ/, 60_000);
    await ui.waitForText("#state", "In step");
    expect((await request("GET", `${replicas.catalog}/products/${id}`)).body).toEqual(before);
  });

  test("a rebuild shows its progress and ends without differences", async () => {
    await ui.press("Rebuild storefront");
    await ui.waitForText("#verification", /Rebuild of storefront: done: \d+ rows from \d+ records/, 60_000);
    await ui.waitForText("#state", "In step", 30_000);
  });

  test("a killed process is restarted", async () => {
    const before = (await stack.entry("catalog")).pid;
    await ui.page.getByLabel("Process").selectOption("catalog 1");
    await ui.press("Kill");
    await ui.waitForText("#log", `A user killed catalog (pid ${before})`);
    await stack.untilReplaced("catalog", before);
    await ui.waitForText("#state", "In step", 30_000);
  });
});

describe("every user", () => {
  test("language and theme follow the browser, can be switched, and are stored", async () => {
    await using other = await ConsolePage.open(browser, ui.url, { locale: "pt-BR", colorScheme: "dark" });
    await other.waitForText("h1", "Do commit à leitura");
    const background = () => other.page.evaluate("getComputedStyle(document.body).backgroundColor");
    const dark = await background();
    expect(await other.page.locator("html").getAttribute("lang")).toBe("pt-BR");
    await other.waitForText("#topology", /atraso \d/);
    await other.screenshot("dark-pt");
    expect(await other.accessibilityViolations()).toEqual([]);
    await other.page.getByRole("button", { name: "English" }).click();
    await other.page.getByRole("button", { name: "Switch to light" }).click();
    await other.page.reload();
    await other.waitForText("h1", "Commit to readable");
    expect(await background()).not.toBe(dark);
    expect(other.browserErrors).toEqual([]);
  });

  test("a write can be sent with the keyboard alone", async () => {
    const { page } = ui;
    await page.reload();
    await ui.waitForText("#state", "In step", 30_000);
    await page.keyboard.press("Tab");
    await ui.waitForText("a.skip:focus", "Skip to the form");
    await page.keyboard.press("Enter");
    for (let i = 0; i < 40 && (await page.evaluate("document.activeElement.textContent")) !== "Create"; i++)
      await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await ui.waitForText("#journey .journey-head", /created[\s\S]*readable everywhere after/);
    // The hops may arrive before the response.
    await eventually(async () => (await page.evaluate("document.activeElement.id")) === "document", {
      timeoutMs: 5_000,
      what: "the focus on the list of documents",
    });
    await ui.waitForText("#announce", /Write \d+ was sent/);
  });

  test("a phone shows the whole page without horizontal scrolling", async () => {
    await using phone = await ConsolePage.open(browser, ui.url, { viewport: PHONE, hasTouch: true, isMobile: true });
    await phone.waitForText("#state", "In step", 30_000);
    await phone.waitForText("#topology svg", "storefront");
    expect(await phone.scrollsHorizontally()).toBe(false);
    await phone.press("Create");
    await phone.waitForText("#journey .journey-head", /readable everywhere after/);
    await phone.screenshot("phone");
    expect(await phone.accessibilityViolations()).toEqual([]);
    expect(phone.browserErrors).toEqual([]);
  });

  test("the page has no accessibility violations in the light theme after all tests", async () => {
    expect(await ui.accessibilityViolations()).toEqual([]);
    await ui.screenshot("light-used");
  });

  test("changes from another site are rejected", async () => {
    const body = { name: "catalog", paused: true };
    const statusOf = async (headers: Record<string, string>) =>
      (await request("POST", `${ui.url}/api/pause`, body, headers)).status;
    expect(await statusOf({ "sec-fetch-site": "cross-site" })).toBe(403);
    expect(await statusOf({ origin: "https://evil.example" })).toBe(403);
    expect(await statusOf({ host: "evil.example" })).toBe(403);
    expect(await statusOf({ "content-type": "text/plain" })).toBe(415);
    expect((await request("GET", `${ui.url}/api/status`, undefined, { host: "evil.example" })).status).toBe(403);
  });

  test("the browser reported no errors, and the page requested nothing from other hosts", () => {
    expect(ui.browserErrors).toEqual([]);
  });
});
