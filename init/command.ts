/** `lockstep init`: writes a new project. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { Command } from "commander";
import { UserError } from "../contracts/errors.ts";
import { isExecutable } from "../stack/program.ts";
import { packageName, projectFiles } from "./files.ts";
import { packageSource } from "./package-source.ts";

/** The command `init`. */
export const initCommand = (): Command =>
  new Command("init")
    .description("writes a new project: an entity, a replica, migrations, a test, compose.yaml, and a README")
    .argument("[folder]", "folder of the project; it is created when it is missing", ".")
    .option("--force", "overwrite files that exist")
    .action(async (folder: string, { force }: { force?: true }) => {
      try {
        console.log(await init(resolve(folder), { isForced: force ?? false }));
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        console.error(`lockstep: ${error.message}`);
        process.exit(1);
      }
    });

/**
 * Writes a new project.
 *
 * @returns what was written and what comes next, as text.
 * @throws {UserError} when a file exists and `isForced` is false; nothing is written then.
 */
export async function init(folder: string, { isForced }: { readonly isForced: boolean }): Promise<string> {
  if (isExecutable)
    throw new UserError(
      "init is a command of the npm package, not of the executable: bunx lockstep init, or npx lockstep init",
    );
  const draft = projectFiles({ name: packageName(basename(folder)), lockstep: "" });
  const existing = [...draft.keys()].filter((path) => existsSync(join(folder, path)));
  if (existing.length > 0 && !isForced)
    throw new UserError(
      `${folder} has files that init would overwrite: ${existing.join(", ")}; choose another folder, or overwrite them with --force`,
    );
  mkdirSync(folder, { recursive: true });
  const files = projectFiles({ name: packageName(basename(folder)), lockstep: await packageSource(folder) });
  for (const [path, content] of files) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    // .env has passwords, so only its owner may read it.
    writeFileSync(file, content, { mode: path === ".env" ? 0o600 : 0o644 });
  }
  const way = relative(process.cwd(), folder);
  return [
    `wrote ${files.size} files to ${folder}: ${[...files.keys()].join(", ")}`,
    "",
    "Next:",
    ...(way === "" ? [] : [`  cd ${way.startsWith("..") ? folder : way}`]),
    "  bun install       # without Bun: npm install, npm run up, npm test",
    "  bun run up        # starts everything on this machine",
    "  bun run test      # in another terminal",
  ].join("\n");
}
