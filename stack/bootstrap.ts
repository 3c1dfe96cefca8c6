/** Installs the dependencies of a fresh clone before the first command. Imports no dependency itself. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const stamp = join(root, "node_modules/.lockstep-installed");

/** Hash of everything that determines the result of `bun install`: manifest, lockfile, patches. */
function inputsHash(): string {
  const hash = createHash("sha256");
  const patches = join(root, "patches");
  const files = [
    "package.json",
    "bun.lock",
    ...(existsSync(patches) ? readdirSync(patches).map((file) => `patches/${file}`) : []),
  ];
  for (const file of files.sort()) hash.update(file).update(readFileSync(join(root, file)));
  return hash.digest("hex");
}

function isInstalled(hash: string): boolean {
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== hash) return false;
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return Object.keys({ ...dependencies, ...devDependencies }).every((name) =>
    existsSync(join(root, "node_modules", name, "package.json")),
  );
}

/** Installs the dependencies when one is missing or the lockfile has changed. Ends the process on failure. */
export function ensureInstalled(): void {
  const hash = inputsHash();
  if (isInstalled(hash)) return;
  console.error("installing dependencies (bun install --frozen-lockfile) …");
  const { status } = spawnSync(process.execPath, ["install", "--frozen-lockfile"], {
    cwd: root,
    // The installer's output is progress, so it goes to standard error.
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) {
    console.error(
      "the dependencies could not be installed: check the network and the registry in .npmrc, then try again",
    );
    process.exit(1);
  }
  try {
    writeFileSync(stamp, hash);
  } catch {
    // This user may not write to the clone: each command then runs the installer, which finds nothing to do.
  }
}
