/** `bun run lint:dashboards`: runs Grafana's linter in strict mode on every dashboard. Needs Go the first time. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../contracts/errors.ts";
import { goProgram } from "../stack/servers/go-program.ts";
import { run } from "../stack/servers/run-command.ts";

const folder = join(import.meta.dir, "../observability/grafana/dashboards");

const linter = {
  what: "dashboard-linter",
  program: "dashboard-linter",
  module: "github.com/grafana/dashboard-linter",
  version: "v0.0.0-20241224134444-1765d94aec4a",
  packagePath: ".",
  sum: "h1:wpyAYX8+Rqu0LIEE7zXBR/qjBH4t0yXvqlRGa1wD5rg=",
  duration: "about 2 min",
  remedy: "install Go 1.22 or newer (https://go.dev/doc/install)",
};

try {
  const program = await goProgram(linter, {});
  let [passed, failed] = [0, 0];
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".json"))) {
    const args = ["lint", "--strict", "--config", join(folder, ".lint"), join(folder, file)];
    const { status, output } = await run(program, args);
    console.log(`${status === 0 ? "passes" : "FAILS "}  ${file}`);
    if (status !== 0) console.log(output);
    if (status === 0) passed++;
    else failed++;
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  console.error(`dashboards not linted: ${error.message}`);
  process.exit(1);
}
