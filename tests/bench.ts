#!/usr/bin/env bun
/**
 * `bun run bench`: measures the figures of docs/performance.md (load-tests/README.md describes how). The load tests may
 * not import services, so this file passes them the project and the schemas that `--against` needs.
 */
import { sourceMigrations } from "../gateway/migrations/index.ts";
import { runBenchCommand } from "../load-tests/bench/command.ts";
import { loadProject } from "../platform/project-file.ts";
import { migrationsOf } from "../replicas/migrations/index.ts";
import { errorText } from "../stack/error-text.ts";

try {
  const project = await loadProject();
  await runBenchCommand({
    project,
    source: sourceMigrations(project),
    replica: (name) => migrationsOf(project, name),
  });
} catch (error) {
  console.error(`bench: ${errorText(error)}`);
  process.exit(1);
}
