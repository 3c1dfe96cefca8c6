/** The console's page in a browser: tests use it by its visible texts and labels, as a user does. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import type { Browser, BrowserContextOptions, ConsoleMessage, Page } from "playwright-core";
import { eventually } from "./eventually.ts";

/** Screenshots of each run, for people. The folder is in .gitignore. */
const SCREENSHOTS = join(import.meta.dirname, "../../test-output/ui");

/** Runs in the browser. SVG elements have no `innerText`. */
const textsOf = (elements: readonly { innerText?: string; textContent: string | null }[]): string[] =>
  // biome-ignore lint/performance/useDomNodeTextContent: innerText has line breaks, and leaves out hidden text.
  elements.map((element) => element.innerText ?? element.textContent ?? "");

/** Viewport of a desktop window, in CSS pixels. */
export const DESKTOP = { width: 1280, height: 720 };
/** Viewport of a phone, in CSS pixels. */
export const PHONE = { width: 390, height: 844 };

/** One open page. Disposing it closes its browser context. */
export class ConsolePage implements AsyncDisposable {
  /** Errors and warnings of the browser, and requests to other hosts. Must stay empty. */
  readonly browserErrors: string[] = [];

  private constructor(
    readonly page: Page,
    readonly url: string,
  ) {}

  /** Opens the console in a new browser context: English and light unless `options` say otherwise. */
  static async open(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<ConsolePage> {
    const context = await browser.newContext({ viewport: DESKTOP, colorScheme: "light", locale: "en-US", ...options });
    const opened = new ConsolePage(await context.newPage(), url);
    opened.collectErrors();
    await opened.page.goto(url);
    return opened;
  }

  /** Resolves when the elements of `selector` show `text`. @throws {Error} with the shown text after `timeoutMs`. */
  waitForText(selector: string, text: string | RegExp, timeoutMs = 15_000): Promise<unknown> {
    const matches = (shown: string) => (typeof text === "string" ? shown.includes(text) : text.test(shown));
    return eventually(
      async () => {
        const shown = (await this.page.locator(selector).evaluateAll(textsOf)).join("\n");
        if (matches(shown)) return true;
        throw new Error(shown.slice(0, 600));
      },
      { timeoutMs, what: `${selector} to show ${text}`, everyMs: 50 },
    );
  }

  /** Text of a node of the topology. */
  async nodeText(id: string): Promise<string> {
    return (await this.page.locator(`[data-node="${id}"] .line`).textContent()) ?? "";
  }

  /** Milliseconds on an edge of the topology; empty before the write has passed it. */
  async edgeText(id: string): Promise<string> {
    return (await this.page.locator(`[data-label="${id}"]`).textContent()) ?? "";
  }

  /** Clicks the button with this exact label. */
  press(name: string): Promise<void> {
    return this.page.getByRole("button", { name, exact: true }).click();
  }

  /** Saves a screenshot. @param fullPage false: only the visible part. */
  async screenshot(name: string, fullPage = true): Promise<void> {
    mkdirSync(SCREENSHOTS, { recursive: true });
    await this.page.evaluate("scrollTo(0, 0)");
    await this.page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage });
  }

  /** Violations that axe-core finds, each with its elements. */
  async accessibilityViolations(): Promise<string[]> {
    // `evaluate` uses the debugger: the page's content security policy blocks a script element.
    if (!(await this.page.evaluate("'axe' in window"))) await this.page.evaluate(axe.source);
    const found = (await this.page.evaluate(
      "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations)",
    )) as { id: string; help: string; nodes: { target: string[] }[] }[];
    return found.map(
      ({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`,
    );
  }

  /** True when the page is wider than its window. */
  async scrollsHorizontally(): Promise<boolean> {
    return (await this.page.evaluate("document.documentElement.scrollWidth > innerWidth")) as boolean;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.context().close();
  }

  private collectErrors(): void {
    this.page.on("console", (message: ConsoleMessage) => {
      if (["error", "warning"].includes(message.type())) this.browserErrors.push(message.text());
    });
    this.page.on("pageerror", (error) => this.browserErrors.push(String(error)));
    this.page.on("request", (request) => {
      if (!request.url().startsWith(this.url)) this.browserErrors.push(`request to ${request.url()}`);
    });
  }
}
