/** The console's page in a browser, as a person uses it: by what it shows and calls things. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import type { Browser, BrowserContextOptions, ConsoleMessage, Page } from "playwright-core";
import { eventually } from "./eventually.ts";

/** Pictures of each run, to be looked at; git knows nothing of them. */
const PICTURES = join(import.meta.dirname, "../../test-output/ui");

/** Runs in the browser. A drawing has no inner text. */
const textsOf = (elements: readonly { innerText?: string; textContent: string | null }[]): string[] =>
  // biome-ignore lint/performance/useDomNodeTextContent: as people read it, line by line, without what is hidden.
  elements.map((element) => element.innerText ?? element.textContent ?? "");

export const DESKTOP = { width: 1280, height: 720 };
export const PHONE = { width: 390, height: 844 };

export class ConsolePage implements AsyncDisposable {
  /** What the browser complained about, and what was asked of another host: both must stay empty. */
  readonly complaints: string[] = [];

  private constructor(
    readonly page: Page,
    readonly url: string,
  ) {}

  static async open(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<ConsolePage> {
    const context = await browser.newContext({ viewport: DESKTOP, colorScheme: "light", locale: "en-US", ...options });
    const opened = new ConsolePage(await context.newPage(), url);
    opened.listen();
    await opened.page.goto(url);
    return opened;
  }

  /** Resolves when the page says so. */
  says(selector: string, text: string | RegExp, timeoutMs = 15_000): Promise<unknown> {
    const matches = (shown: string) => (typeof text === "string" ? shown.includes(text) : text.test(shown));
    return eventually(
      async () => {
        const shown = (await this.page.locator(selector).evaluateAll(textsOf)).join("\n");
        if (matches(shown)) return true;
        throw new Error(shown.slice(0, 600));
      },
      { timeoutMs, what: `${selector} to say ${text}`, everyMs: 50 },
    );
  }

  /** Text of a part of the drawing. */
  async node(id: string): Promise<string> {
    return (await this.page.locator(`[data-node="${id}"] .line`).textContent()) ?? "";
  }

  /** Milliseconds on an edge; empty while there are none. */
  async edge(id: string): Promise<string> {
    return (await this.page.locator(`[data-label="${id}"]`).textContent()) ?? "";
  }

  press(name: string): Promise<void> {
    return this.page.getByRole("button", { name, exact: true }).click();
  }

  async picture(name: string, whole = true): Promise<void> {
    mkdirSync(PICTURES, { recursive: true });
    await this.page.evaluate("scrollTo(0, 0)");
    await this.page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: whole });
  }

  /** What axe-core finds wrong, each with the elements that it is about. */
  async barriers(): Promise<string[]> {
    // By the debugger, since the page's own policy lets no script in.
    if (!(await this.page.evaluate("'axe' in window"))) await this.page.evaluate(axe.source);
    const found = (await this.page.evaluate(
      "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations)",
    )) as { id: string; help: string; nodes: { target: string[] }[] }[];
    return found.map(
      ({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`,
    );
  }

  /** True when the page is wider than its window. */
  async scrollsSideways(): Promise<boolean> {
    return (await this.page.evaluate("document.documentElement.scrollWidth > innerWidth")) as boolean;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.context().close();
  }

  private listen(): void {
    this.page.on("console", (message: ConsoleMessage) => {
      if (["error", "warning"].includes(message.type())) this.complaints.push(message.text());
    });
    this.page.on("pageerror", (error) => this.complaints.push(String(error)));
    this.page.on("request", (request) => {
      if (!request.url().startsWith(this.url)) this.complaints.push(`asked ${request.url()}`);
    });
  }
}
