#!/usr/bin/env bun
/**
 * `bun run observability`: writes the files that Prometheus and Grafana read (observability/generate.ts), for the project
 * that LOCKSTEP_CONFIG names. Default: lockstep.config.ts.
 */
import { join } from "node:path";
import { generatedFiles } from "../observability/generate.ts";
import { loadProject } from "../platform/project-file.ts";

const folder = join(import.meta.dir, "../observability");
for (const [path, content] of Object.entries(generatedFiles(await loadProject(undefined))))
  await Bun.write(join(folder, path), content);
