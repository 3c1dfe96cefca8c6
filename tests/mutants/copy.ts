/** A copy of the repository in which a mutant can be planted, so that the working tree stays as it is. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Mutant } from "./mutant.ts";

const root = join(import.meta.dirname, "../..");

/**
 * Returns the text of a file with the guard replaced.
 *
 * @throws {Error} when the guard's text does not occur exactly once: the code has changed, so the mutant must follow.
 */
export function mutate(text: string, { name, file, from, to }: Pick<Mutant, "name" | "file" | "from" | "to">): string {
  const count = text.split(from).length - 1;
  if (count !== 1) throw new Error(`mutant ${name}: its guard occurs ${count} times in ${file}, not once`);
  return text.replace(from, () => to);
}

/** The repository's files as they are in the working tree, with the packages of this one. */
export class RepositoryCopy implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "lockstep-mutant-"));

  constructor() {
    const listed = Bun.spawnSync(["git", "ls-files", "--cached", "--others", "--exclude-standard"], { cwd: root });
    for (const path of listed.stdout.toString().split("\n").filter(Boolean)) {
      if (!existsSync(join(root, path))) continue; // deleted, and not committed yet
      mkdirSync(dirname(join(this.folder, path)), { recursive: true });
      cpSync(join(root, path), join(this.folder, path));
    }
    symlinkSync(join(root, "node_modules"), join(this.folder, "node_modules"));
  }

  /** Plants a mutant. @returns removes it again. @throws {Error} as {@link mutate}. */
  plant(mutant: Mutant): () => void {
    const path = join(this.folder, mutant.file);
    const text = readFileSync(path, "utf8");
    writeFileSync(path, mutate(text, mutant));
    return () => writeFileSync(path, text);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
