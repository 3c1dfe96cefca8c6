/** The files and statements of the worked example in docs/schema-changes.md, and a copy of the repository to carry it out in. */
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { removeAtExit } from "./clean-up-at-exit.ts";

const repository = join(import.meta.dirname, "../..");

/** A fenced block: its first line says, after the language, where it belongs. */
export interface CodeBlock {
  readonly step: number;
  /** A file's path, which may end in ` (add)`; or where a statement runs. */
  readonly where: string;
  readonly text: string;
}

export function codeBlocks(): readonly CodeBlock[] {
  const page = readFileSync(join(repository, "docs/schema-changes.md"), "utf8");
  return page.split(/^### Step /m).flatMap((section) => {
    const step = Number.parseInt(section, 10);
    const blocks = [...section.matchAll(/^```(?:sql|ts) (.+)\n([\s\S]*?)^```$/gm)];
    return blocks.map(([, where, text]) => ({ step, where: where!, text: text! }));
  });
}

/** The only statement of the example that runs at `where`. @throws {Error} when the page has none. */
export function statementFor(where: string): string {
  const found = codeBlocks().find((block) => block.where === where);
  if (!found) throw new Error(`docs/schema-changes.md has no block "${where}"`);
  return found.text;
}

/** A copy of the repository that can be changed and run. */
export class RepositoryCopy implements Disposable {
  private constructor(readonly root: string) {}

  static create(): RepositoryCopy {
    const root = mkdtempSync(join(tmpdir(), "lockstep-copy-"));
    chmodSync(root, 0o755);
    removeAtExit(root);
    const left = /^(node_modules|\..*)$/;
    cpSync(repository, root, {
      recursive: true,
      filter: (path) => dirname(path) !== repository || !left.test(path.slice(repository.length + 1)),
    });
    symlinkSync(join(repository, "node_modules"), join(root, "node_modules"));
    return new RepositoryCopy(root);
  }

  /** Writes the files of one step. What the page says of `catalog` holds for `storefront` too. */
  applyStep(step: number): void {
    const blocks = codeBlocks().filter((block) => block.step === step && block.where.includes("/"));
    if (blocks.length === 0) throw new Error(`docs/schema-changes.md has no files in step ${step}`);
    for (const { where, text } of blocks)
      for (const path of new Set([where, where.replace("catalog", "storefront")])) {
        const file = join(this.root, path.replace(" (add)", ""));
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, path.endsWith(" (add)") ? addMigration(readFileSync(file, "utf8"), text) : text);
      }
  }

  /** Runs a script of package.json. @throws {Error} with its output when it fails. */
  async run(...args: string[]): Promise<void> {
    const { stdout, stderr, code } = await this.runUnchecked(...args);
    if (code !== 0) throw new Error(`${args.join(" ")} failed (${code}):\n${stdout}${stderr}`);
  }

  /** Runs a script of package.json, whatever comes of it. */
  async runUnchecked(...args: string[]): Promise<{ stdout: string; stderr: string; code: number }> {
    const child = Bun.spawn([process.execPath, "run", ...args], { cwd: this.root, stdout: "pipe", stderr: "pipe" });
    const [stdout, stderr, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { stdout, stderr, code };
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** A list of migrations with one more: its import among the imports, its entry at the end of the list. */
function addMigration(file: string, lines: string): string {
  const [imported, entry] = lines.trim().split("\n") as [string, string];
  const end = file.lastIndexOf("]");
  const list = file.slice(0, end).trimEnd().replace(/,$/, "");
  return `${imported}\n${list},\n  ${entry}\n];\n`;
}
