#!/usr/bin/env node
/**
 * The program `lockstep` of the npm package. Lockstep runs on Bun: this file imports lockstep.ts when Bun runs it, and
 * starts Bun when Node does. npm and Bun install the package `bun` together with Lockstep, so a machine with only Node
 * is enough.
 */
import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const entry = join(dirname(fileURLToPath(import.meta.url)), "../lockstep.ts");

if (process.versions.bun) await import(entry);
else startBun();

function startBun() {
  const bun = spawn(installedBun() ?? "bun", [entry, ...process.argv.slice(2)], { stdio: "inherit" });
  forwardSignals(bun);
  bun.once("error", ({ message }) => {
    console.error(
      `lockstep: Bun, which runs Lockstep, could not be started (${message}): install it with npm install bun@1.4.5, or from bun.sh`,
    );
    process.exit(127);
  });
  bun.once("exit", (status, signal) => process.exit(status ?? 128 + (constants.signals[signal] ?? 0)));
}

/**
 * The program of the package `bun`. Its install script moves the program out of the package for this platform; where
 * scripts do not run, a stub of a few bytes is in its place.
 */
function installedBun() {
  const require = createRequire(import.meta.url);
  const program = packageFile(require, "bun", "bin/bun.exe");
  if (!program) return undefined;
  if (statSync(program).size > 1_000_000) return program;
  const { platform, arch, report } = process;
  const isMusl = platform === "linux" && !report.getReport().header.glibcVersionRuntime;
  const name = `@oven/bun-${platform}-${arch === "arm64" ? "aarch64" : arch}${isMusl ? "-musl" : ""}`;
  return packageFile(createRequire(program), name, "bin/bun");
}

/** Path of a file of an installed package; undefined when it is not there. */
function packageFile(require, name, file) {
  const folder = require.resolve.paths(name)?.find((modules) => existsSync(join(modules, name, file)));
  return folder && join(folder, name, file);
}

/** A terminal sends its signals to both processes. Any other sender knows only this one. */
function forwardSignals(child) {
  const isForeground = process.stdin.isTTY || process.stdout.isTTY;
  for (const signal of ["SIGINT", "SIGHUP"]) process.on(signal, () => isForeground || child.kill(signal));
  process.on("SIGTERM", () => child.kill("SIGTERM"));
}
