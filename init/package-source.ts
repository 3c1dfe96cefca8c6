/** Where a new project gets the package `lockstep` from: from the same place as this process. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { UserError } from "../contracts/errors.ts";
import manifest from "../package.json" with { type: "json" };
import { run } from "../stack/servers/run-command.ts";

/** Folder of a project with packages that no registry has. It belongs into git. */
const VENDOR = "vendor";

const packageRoot = join(import.meta.dirname, "..");
const isClone = basename(dirname(packageRoot)) !== "node_modules";

/**
 * What package.json of a new project says for `lockstep`. A package file is copied into the project's folder, so that
 * the project can be cloned and built elsewhere. A clone of Lockstep makes one.
 *
 * @throws {UserError} when a clone cannot make the package.
 */
export async function packageSource(folder: string): Promise<string> {
  const vendor = join(folder, VENDOR);
  const file = join(vendor, `${manifest.name}-${manifest.version}.tgz`);
  const spec = `file:${relative(folder, file)}`;
  if (isClone) {
    mkdirSync(vendor, { recursive: true });
    const { status, output } = await run(process.execPath, ["pm", "pack", "--destination", vendor], {
      cwd: packageRoot,
    });
    if (status !== 0) throw new UserError(`the package could not be made from ${packageRoot}:\n${output}`);
    return spec;
  }
  const installed = installedSpec();
  const original = installed && resolve(installed.folder, installed.spec.replace(/^file:/, ""));
  if (!original || !existsSync(original) || !statSync(original).isFile()) return installed?.spec ?? manifest.version;
  mkdirSync(vendor, { recursive: true });
  if (original !== file) copyFileSync(original, file);
  return spec;
}

/** What the manifest that installed this package says: of a project, or of the temporary folder of npx or bunx. */
function installedSpec(): { readonly folder: string; readonly spec: string } | undefined {
  const folder = join(packageRoot, "../..");
  const path = join(folder, "package.json");
  if (!existsSync(path)) return undefined;
  const { dependencies = {} } = JSON.parse(readFileSync(path, "utf8")) as {
    readonly dependencies?: Readonly<Record<string, string>>;
  };
  const spec = dependencies[manifest.name];
  // `bunx lockstep` installs the newest version; a project names the version that it was made with.
  if (spec === undefined || /^[\^~]|^latest$|^$/.test(spec)) return undefined;
  return { folder, spec };
}
