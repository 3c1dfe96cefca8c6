/** Reads the worked example of docs/schema-changes.md, and applies its steps to a copy of the repository. */
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { removeAtExit } from "./clean-up-at-exit.ts";

const repository = join(import.meta.dirname, "../..");

/** A fenced block of the page. Its info string names the language and where the text belongs. */
export interface CodeBlock {
  readonly step: number;
  /** A file's path in the folder of the project; or the database in which a statement runs. */
  readonly where: string;
  readonly text: string;
}

/** Returns all SQL and TypeScript blocks of the page, in its order. */
export function codeBlocks(): readonly CodeBlock[] {
  const page = readFileSync(join(repository, "docs/schema-changes.md"), "utf8");
  return page.split(/^### Step /m).flatMap((section) => {
    const step = Number.parseInt(section, 10);
    const blocks = [...section.matchAll(/^```(?:sql|ts) (.+)\n([\s\S]*?)^```$/gm)];
    return blocks.map(([, where, text]) => ({ step, where: where!, text: text! }));
  });
}

/** Returns the first statement that runs at `where`. @throws {Error} when the page has none. */
export function statementFor(where: string): string {
  const found = codeBlocks().find((block) => block.where === where);
  if (!found) throw new Error(`docs/schema-changes.md has no block "${where}"`);
  return found.text;
}

/** A copy of the repository that a test can change and run. Disposing it removes the copy. */
export class RepositoryCopy implements Disposable {
  /** Folder of the project of the tests in the copy. */
  readonly project: string;
  /** Its file, for `--config` and LOCKSTEP_CONFIG. */
  readonly config: string;

  private constructor(readonly root: string) {
    this.project = join(root, "tests/project");
    this.config = join(this.project, "lockstep.config.ts");
  }

  /** Copies the repository without hidden files and links its `node_modules`. */
  static create(): RepositoryCopy {
    const root = mkdtempSync(join(tmpdir(), "lockstep-copy-"));
    chmodSync(root, 0o755);
    removeAtExit(root);
    const excluded = /^(node_modules|\..*)$/;
    cpSync(repository, root, {
      recursive: true,
      filter: (path) => dirname(path) !== repository || !excluded.test(path.slice(repository.length + 1)),
    });
    symlinkSync(join(repository, "node_modules"), join(root, "node_modules"));
    return new RepositoryCopy(root);
  }

  /**
   * Writes the files of one step into the project, each file of `catalog` for `storefront` too.
   *
   * @throws {Error} when the page has no files for the step.
   */
  applyStep(step: number): void {
    const blocks = codeBlocks().filter((block) => block.step === step && /\.(sql|ts)$/.test(block.where));
    if (blocks.length === 0) throw new Error(`docs/schema-changes.md has no files in step ${step}`);
    for (const { where, text } of blocks)
      for (const path of new Set([where, where.replace("catalog", "storefront")])) {
        const file = join(this.project, path);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, text);
      }
  }

  /** Runs a script of package.json. @throws {Error} with its output when it fails. */
  async run(...args: string[]): Promise<void> {
    const { stdout, stderr, code } = await this.runUnchecked(...args);
    if (code !== 0) throw new Error(`${args.join(" ")} failed (${code}):\n${stdout}${stderr}`);
  }

  /** Runs a script of package.json. @returns its output and exit code, also when it fails. */
  async runUnchecked(...args: string[]): Promise<{ stdout: string; stderr: string; code: number }> {
    const child = Bun.spawn([process.execPath, "run", ...args], {
      cwd: this.root,
      env: { ...process.env, LOCKSTEP_CONFIG: this.config },
      stdout: "pipe",
      stderr: "pipe",
    });
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
