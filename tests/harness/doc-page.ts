/** Runs the blocks of a page in `docs/build/` as a reader does: files are written, commands run, answers compared. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const repository = join(import.meta.dirname, "../..");

/** A fenced block. Its info string has the language, and what the block is. */
export interface DocBlock {
  readonly language: string;
  /** A file's path; `append FILE`; the database of a statement; `diagram`; empty for commands and answers. */
  readonly where: string;
  readonly text: string;
  /** Page and line, for messages. */
  readonly at: string;
}

/** Returns the blocks of a page of the repository, in its order. */
export function blocksOf(page: string): DocBlock[] {
  const text = readFileSync(join(repository, page), "utf8");
  return [...text.matchAll(/^```(\w+)(?: ([^\n]+))?\n([\s\S]*?)^```$/gm)].map((match) => ({
    language: match[1]!,
    where: match[2] ?? "",
    text: match[3]!,
    at: `${page}:${text.slice(0, match.index).split("\n").length}`,
  }));
}

/** Where blocks run. */
export interface PageOptions {
  /** Folder of the project. */
  readonly folder: string;
  /** Environment of commands, beside this process' own. */
  readonly env: Readonly<Record<string, string>>;
  /** Replaces what only an example can have: ports, addresses, the path of the package. */
  readonly adapt: (text: string) => string;
  /** Runs a statement: `where` is `source` or the name of a replica. */
  readonly query?: (where: string, sql: string) => Promise<void>;
}

/** Makes a folder with the programs `bun` and `bunx`, for PATH. */
export function programFolder(folder: string): string {
  mkdirSync(folder, { recursive: true });
  for (const name of ["bun", "bunx"]) symlinkSync(process.execPath, join(folder, name));
  return folder;
}

/** Runs all blocks of a page. @throws {Error} as {@link runBlock}. */
export async function runPage(page: string, options: PageOptions): Promise<void> {
  let output = "";
  for (const block of blocksOf(page)) output = await runBlock(block, output, options);
}

/**
 * Runs a block.
 *
 * @param output what the commands before have printed.
 * @returns what the newest commands have printed.
 * @throws {Error} with page, line and output for a command that fails, an answer that differs, a change that does not fit.
 */
export async function runBlock(block: DocBlock, output: string, options: PageOptions): Promise<string> {
  const fail = (message: string): never => {
    throw new Error(`${block.at}: ${message}`);
  };
  const text = options.adapt(block.text);
  const isStatement = block.language === "sql" && block.where !== "" && !block.where.endsWith(".sql");
  if (block.language === "sh") return runCommands(text, options, fail);
  if (block.language === "text" && block.where === "") compareAnswer(text, output, fail);
  else if (isStatement) await runQuery(block.where, text, options, fail);
  else if (block.where !== "") writeBlock(options.folder, { ...block, text }, options.adapt, fail);
  return output;
}

type Fail = (message: string) => never;

async function runCommands(text: string, { folder, env }: PageOptions, fail: Fail): Promise<string> {
  const child = Bun.spawn(["bash", "-euo", "pipefail", "-c", text], {
    cwd: folder,
    env: { ...process.env, LOCKSTEP_CONFIG: undefined, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return status === 0 ? `${stdout}${stderr}` : fail(`ended with ${status}:\n${text}\n${stdout}${stderr}`);
}

/** Each line of the answer is in the output, in this order. `…` stands for any text within a line. */
function compareAnswer(expected: string, output: string, fail: Fail): void {
  let rest = output;
  for (const line of expected.split("\n").map((text) => text.trim())) {
    if (line === "" || line === "…") continue;
    const pattern = line
      .split("…")
      .map((part) => RegExp.escape(part).replace(/(?:\\x20|\s)+/g, "\\s+"))
      .join("[^\\n]*?");
    const found = new RegExp(pattern).exec(rest);
    if (found === null) fail(`there is no line\n${line}\nin the rest of the output\n${rest}\nof\n${output}`);
    rest = rest.slice(found.index + found[0].length);
  }
}

async function runQuery(where: string, text: string, { query }: PageOptions, fail: Fail): Promise<void> {
  if (!query) return fail("the test has no database for statements");
  await query(where, text).catch((error: unknown) => fail(`${error}`));
}

function writeBlock(folder: string, { language, where, text }: DocBlock, adapt: (text: string) => string, fail: Fail) {
  const path = adapt(where.replace(/^append /, ""));
  const file = path.startsWith("/") ? path : join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  if (language === "diff") writeFileSync(file, changedText(readFileSync(file, "utf8"), text, fail));
  else writeFileSync(file, text, { flag: where.startsWith("append ") ? "a" : "w" });
}

/** Applies changes that are shown with the lines around them. `@@` stands between two places. */
function changedText(before: string, diff: string, fail: Fail): string {
  return diff.split(/^@@.*\n/m).reduce((text, change) => {
    const lines = change.split("\n").slice(0, -1);
    const old = lines.filter((line) => !line.startsWith("+")).map((line) => `${line.slice(1)}\n`);
    const next = lines.filter((line) => !line.startsWith("-")).map((line) => `${line.slice(1)}\n`);
    const parts = text.split(old.join(""));
    return parts.length === 2
      ? parts.join(next.join(""))
      : fail(`${parts.length - 1} places fit\n${change}\nin\n${text}`);
  }, before);
}
