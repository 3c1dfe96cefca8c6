/** Starts Chromium for tests of the console's page. Uses the installed one, else installs Debian's package as root. */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/** Disable requests for updates and proxies, which would reach hosts outside the test. */
const FLAGS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const INSTALL_MS = 300_000;

/** Starts a browser with an empty profile. @throws {Error} that says what to install when there is no Chromium. */
export async function launchChromium(flags: readonly string[] = []): Promise<Browser> {
  return await chromium.launch({
    executablePath: await chromiumPath(),
    headless: true,
    chromiumSandbox: !isRoot(),
    args: [...FLAGS, ...flags],
  });
}

const isRoot = (): boolean => process.getuid?.() === 0;

/** Returns the path of Chromium, after installing it if this user may. @throws {Error} that says what to install. */
export const chromiumPath = async (): Promise<string> => find() ?? install();

/** Returns the program of the variable CHROMIUM, else the first one on the PATH. @throws {Error} when CHROMIUM cannot run. */
function find(): string | undefined {
  const { CHROMIUM: given } = process.env;
  if (given) {
    accessSync(given, constants.X_OK);
    return given;
  }
  return NAMES.map((name) => Bun.which(name)).find((path) => path !== null) ?? undefined;
}

function install(): string {
  if (isRoot() && Bun.which("apt-get")) {
    console.error("installing Chromium for the tests of the console (apt-get install chromium) …");
    const options = { stdio: ["ignore", 2, 2] as ("ignore" | number)[], timeout: INSTALL_MS };
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    spawnSync("apt-get", ["update", "-q"], { ...options, env });
    spawnSync("apt-get", ["install", "-y", "-q", "--no-install-recommends", "chromium"], { ...options, env });
    const found = find();
    if (found) return found;
  }
  throw new Error(
    "the tests of the console need Chromium: install it (Debian: apt-get install chromium), or name one with CHROMIUM=/path",
  );
}
