/** The console in a real browser, on a running stack: what a person sees and does there. One page, used from the first test to the last. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Browser } from "playwright-core";
import { entities } from "../contracts/entities/index.ts";
import { launchChromium } from "./harness/chromium.ts";
import { request } from "./harness/client.ts";
import { ConsolePage, PHONE } from "./harness/console-page.ts";
import { eventually } from "./harness/eventually.ts";
import { newProduct } from "./harness/load.ts";
import { sharedStack } from "./harness/shared-stack.ts";
import type { Stack } from "./harness/stack.ts";

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

/** Id of the entity that the form is about. */
const chosenId = () => ui.page.locator("#which").inputValue();
const fill = (field: string, text: string) => ui.page.locator(`#writer [name="${field}"]`).fill(text);

/** Creates one from the form's example and waits until its way is over. @returns its id. */
async function create(change: () => Promise<unknown> = async () => {}): Promise<string> {
  await ui.page.locator("#which").selectOption("");
  await change();
  await ui.press("Create");
  await eventually(chosenId, { timeoutMs: 10_000, what: "the new one to be chosen" });
  await ui.says("#journey .way-head", /created[\s\S]*readable everywhere after/);
  return await chosenId();
}

describe("seeing", () => {
  test("the way is drawn from the declarations, and every part says how it is", async () => {
    await ui.says("#state", "In step", 30_000);
    for (const entity of entities) {
      const names = [
        `${entity.plural}.events`,
        `${entity.plural}.dead-letter`,
        ...entity.replicas.map(({ name }) => `${entity.plural}.to.${name}`),
      ];
      for (const name of [...names, "gateway", "relay", "stream"]) await ui.says("#topology svg", name);
      for (const { name } of entity.replicas) expect(await ui.node(name)).toMatch(/^lag \d/);
    }
    expect(await ui.node("source")).toMatch(/^outbox \d/);
    expect(await ui.node("gateway")).toMatch(/^version /);
    await ui.page.getByText("The same as a table").click();
    await ui.says("#flow-table", /stream\s+lag \d/);
    await ui.page.getByText("The same as a table").click();
  });

  test("commit to readable is the first number, as soon as something was written", async () => {
    await create();
    await ui.says("#p50", /^\d+([.]\d)?$/);
    await ui.says("#p50-note", /median of \d+ in 30 s/);
    await ui.picture("light-desktop", false);
    await ui.picture("light");
  });
});

describe("writing", () => {
  test("what is created, changed and deleted arrives, hop by hop, with milliseconds on every edge", async () => {
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
      await eventually(async () => /^\d/.test(await ui.edge(edge)), {
        timeoutMs: 5_000,
        what: `milliseconds on ${edge}`,
      });
    await ui.says("#journey", /Published by the relay[\s\S]*products\.events\/\d+\/\d+/);

    await fill("name", "Teapot with a lid");
    await ui.page.locator('#writer [name="status"]').selectOption("draft");
    await ui.press("Save the change");
    await ui.says("#journey .way-head", /changed[\s\S]*readable everywhere after/);
    await ui.says("#journey .branches", "not this replica's to keep");
    expect((await request("GET", `${replicas.catalog}/products/${id}`)).body).toMatchObject({
      name: "Teapot with a lid",
      version: 2,
    });
    expect((await request("GET", `${replicas.storefront}/products/${id}`)).status).toBe(404);

    await ui.press("Delete");
    await ui.says("#journey .way-head", /deleted[\s\S]*readable everywhere after/);
    expect((await request("GET", `${replicas.catalog}/products/${id}`)).status).toBe(404);
    expect(await chosenId()).toBe("");
  });

  test("the way has the trace that the log knows the write by", async () => {
    const id = await create();
    const { body } = await request("GET", `${ui.url}/api/journey/${id}`);
    const [journey] = body.journeys as { traceId: string }[];
    await ui.says("#journey .way-foot", journey!.traceId);
  });

  test("what the gateway refuses is said at the field", async () => {
    await ui.page.locator("#which").selectOption("");
    await fill("price", "cheap");
    await ui.press("Create");
    await ui.says("#field-price-wrong", 'must be a string like "19.90"');
    expect(await ui.page.locator('[name="price"]').getAttribute("aria-invalid")).toBe("true");
    expect(await ui.page.evaluate("document.activeElement.name")).toBe("price");
  });

  test("private values are neither listed nor sent back", async () => {
    const { body } = await request("GET", `${ui.url}/api/entities/products?limit=5`);
    for (const item of body.items as object[]) expect(item).not.toHaveProperty("cost");
    const id = await create(() => fill("cost", "7.10"));
    expect(await ui.page.locator('[name="cost"]').inputValue()).toBe("");
    await fill("name", "Same cost");
    await ui.press("Save the change");
    await ui.says("#journey .way-head", /changed[\s\S]*readable everywhere after/);
    expect((await request("GET", `${gateway}/products/${id}`)).body).toMatchObject({ cost: "7.10", name: "Same cost" });
  });
});

describe("breaking and healing", () => {
  test("a paused replica falls behind while the others go on, and resumed it catches up", async () => {
    await ui.press("Pause storefront");
    await ui.says("#state", "storefront is paused");
    await ui.page.locator("#which").selectOption("");
    await ui.press("Create");
    await ui.says("#journey .branches", "waiting: storefront is paused");
    for (let i = 0; i < 60; i++) await request("POST", `${gateway}/products`, newProduct());
    await eventually(async () => Number(/\d+/.exec(await ui.node("storefront"))?.[0]) >= 60, {
      timeoutMs: 10_000,
      what: "the lag to be seen",
    });
    await ui.says("#log", "storefront falls behind");
    await ui.picture("paused");
    await ui.press("Resume storefront");
    await ui.says("#journey .way-head", "readable everywhere after");
    await ui.says("#log", "storefront has caught up");
    await ui.says("#state", "In step");
  });

  test("a poison message becomes a dead letter that says what is wrong, and the next change heals it", async () => {
    await create();
    await ui.press("Send a wrong document");
    await ui.says("#journey .way-head", "in the dead letters after");
    await ui.says("#letters", /invalid-document[\s\S]*open/);
    await ui.page
      .getByRole("button", { name: /^Show products\.events/ })
      .first()
      .click();
    await ui.says("#dialog", /sku[\s\S]*expected string/);
    await ui.says("#dialog", "mend the declaration or the row; replay");
    await ui.picture("dead-letter", false);
    expect(await ui.barriers()).toEqual([]);
    await ui.page.keyboard.press("Escape");
    await fill("name", "Healed");
    await ui.press("Save the change");
    await ui.says("#letters", /invalid-document[\s\S]*superseded/, 30_000);
  });

  test("a dead letter can be replayed, and be dropped", async () => {
    await create();
    await ui.press("Send no JSON");
    await ui.says("#letters", /malformed-json[\s\S]*open/);
    await ui.page
      .getByRole("button", { name: /^Replay products\.events/ })
      .first()
      .click();
    // What is sent as it was is judged as it was: the letter is back under another name.
    await ui.says("#letters", /malformed-json[\s\S]*open[\s\S]*malformed-json[\s\S]*replayed/);
    await ui.page
      .getByRole("button", { name: /^Drop products\.events/ })
      .first()
      .click();
    await ui.says("#letters", /malformed-json[\s\S]*dropped/);
    await ui.says("#log", "You dropped dead letters: 1");
  });

  test("a silent Redis switches the caches off, and they come back by themselves", async () => {
    await ui.press("Silence Redis for 8 s");
    // Who waits for nothing notices no silence: it takes a write.
    const product = await request("POST", `${gateway}/products`, newProduct(), { prefer: "wait=8" });
    await ui.says("#log", /the cache of catalog is off/, 20_000);
    expect((await request("GET", `${replicas.catalog}/products/${product.body.id}`)).status).toBe(200);
    await ui.says("#log", /the cache of catalog is on again/, 30_000);
    await ui.says("#state", "In step", 30_000);
  });

  test("what was changed behind a replica's back is found by a verification, and repaired", async () => {
    const id = await create(() => fill("name", "As it should be"));
    const before = (await request("GET", `${replicas.catalog}/products/${id}`)).body;
    await ui.press("Tamper with catalog");
    await ui.says("#log", "You changed a row of catalog behind its back");
    await ui.press("Verify now");
    await ui.says("#verify", /Verification: done: \d+ rows, [1-9]\d* differ/, 60_000);
    await ui.says("#state", "catalog differed when last verified");
    await ui.picture("differs");
    await ui.press("Repair");
    await ui.says("#verify", /Repair: done: \d+ differed, 1 sent again, 0 left/, 60_000);
    await ui.says("#state", "In step");
    expect((await request("GET", `${replicas.catalog}/products/${id}`)).body).toEqual(before);
  });

  test("a rebuild tells how far it is, and ends equal", async () => {
    await ui.press("Rebuild storefront");
    await ui.says("#verify", /Rebuild of storefront: done: \d+ rows from \d+ records/, 60_000);
    await ui.says("#state", "In step", 30_000);
  });

  test("a process that is killed comes back", async () => {
    const before = (await stack.entry("catalog")).pid;
    await ui.page.getByLabel("Process").selectOption("catalog 1");
    await ui.press("Kill");
    await ui.says("#log", `You killed catalog (pid ${before})`);
    await stack.replaced("catalog", before);
    await ui.says("#state", "In step", 30_000);
  });
});

describe("everybody", () => {
  test("language and theme follow the browser, can be switched, and are remembered", async () => {
    await using other = await ConsolePage.open(browser, ui.url, { locale: "pt-BR", colorScheme: "dark" });
    await other.says("h1", "Do commit à leitura");
    const background = () => other.page.evaluate("getComputedStyle(document.body).backgroundColor");
    const dark = await background();
    expect(await other.page.locator("html").getAttribute("lang")).toBe("pt-BR");
    await other.says("#topology", /atraso \d/);
    await other.picture("dark-pt");
    expect(await other.barriers()).toEqual([]);
    await other.page.getByRole("button", { name: "English" }).click();
    await other.page.getByRole("button", { name: "Switch to light" }).click();
    await other.page.reload();
    await other.says("h1", "Commit to readable");
    expect(await background()).not.toBe(dark);
    expect(other.complaints).toEqual([]);
  });

  test("a write can be sent without a mouse", async () => {
    const { page } = ui;
    await page.reload();
    await ui.says("#state", "In step", 30_000);
    await page.keyboard.press("Tab");
    await ui.says("a.skip:focus", "Skip to the form");
    await page.keyboard.press("Enter");
    for (let i = 0; i < 40 && (await page.evaluate("document.activeElement.textContent")) !== "Create"; i++)
      await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await ui.says("#journey .way-head", /created[\s\S]*readable everywhere after/);
    // Its hops may be heard before its answer.
    await eventually(async () => (await page.evaluate("document.activeElement.id")) === "which", {
      timeoutMs: 5_000,
      what: "the focus to stand where the next one is chosen",
    });
    await ui.says("#announce", /Write \d+ is on its way/);
  });

  test("a phone shows all of it without scrolling sideways", async () => {
    await using phone = await ConsolePage.open(browser, ui.url, { viewport: PHONE, hasTouch: true, isMobile: true });
    await phone.says("#state", "In step", 30_000);
    await phone.says("#topology svg", "storefront");
    expect(await phone.scrollsSideways()).toBe(false);
    await phone.press("Create");
    await phone.says("#journey .way-head", /readable everywhere after/);
    await phone.picture("phone");
    expect(await phone.barriers()).toEqual([]);
    expect(phone.complaints).toEqual([]);
  });

  test("nothing stands in anybody's way: light, with everything that happened on it", async () => {
    expect(await ui.barriers()).toEqual([]);
    await ui.picture("light-used");
  });

  test("changes of another site are refused, whatever they pretend to be", async () => {
    const body = { name: "catalog", paused: true };
    const refused = async (headers: Record<string, string>) =>
      (await request("POST", `${ui.url}/api/pause`, body, headers)).status;
    expect(await refused({ "sec-fetch-site": "cross-site" })).toBe(403);
    expect(await refused({ origin: "https://evil.example" })).toBe(403);
    expect(await refused({ host: "evil.example" })).toBe(403);
    expect(await refused({ "content-type": "text/plain" })).toBe(415);
    expect((await request("GET", `${ui.url}/api/status`, undefined, { host: "evil.example" })).status).toBe(403);
  });

  test("the browser had nothing to complain about, and nobody else was asked", () => {
    expect(ui.complaints).toEqual([]);
  });
});
