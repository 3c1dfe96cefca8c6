/**
 * Brings what a fresh clone lacks, so that every command of package.json works as the first one. Imports nothing that must
 * be installed first.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const stamp = join(root, "node_modules/.lockstep-installed");

/** All that decides what `bun install` would make: manifest, lockfile, patches. */
function wanted(): string {
  const hash = createHash("sha256");
  const patches = join(root, "patches");
  const files = [
    "package.json",
    "bun.lock",
    ...(existsSync(patches) ? readdirSync(patches).map((f) => `patches/${f}`) : []),
  ];
  for (const file of files.sort()) hash.update(file).update(readFileSync(join(root, file)));
  return hash.digest("hex");
}

function complete(hash: string): boolean {
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== hash) return false;
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return Object.keys({ ...dependencies, ...devDependencies }).every((name) =>
    existsSync(join(root, "node_modules", name, "package.json")),
  );
}

/** Installs the dependencies if any is missing or the lockfile changed since. Ends the process when that fails. */
export function ensureInstalled(): void {
  const hash = wanted();
  if (complete(hash)) return;
  console.error("installing dependencies (bun install --frozen-lockfile) …");
  const { status } = spawnSync(process.execPath, ["install", "--frozen-lockfile"], {
    cwd: root,
    // The installer's own lines are progress, not this command's answer.
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
    // A clone that this user may not write to: it is asked again next time, which takes a moment and changes nothing.
  }
}
