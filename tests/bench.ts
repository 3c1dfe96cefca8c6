#!/usr/bin/env bun
/**
 * `bun run bench`: measures the figures of docs/performance.md (load-tests/README.md describes how). The load tests may
 * not import services, so this file passes them the schemas that `--limit` needs.
 */
import { migrations } from "../gateway/migrations/index.ts";
import { runBenchCommand } from "../load-tests/bench/command.ts";
import { migrationsOf } from "../replicas/migrations/index.ts";

await runBenchCommand({ source: migrations, replica: migrationsOf });
