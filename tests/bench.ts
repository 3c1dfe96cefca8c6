#!/usr/bin/env bun
/**
 * `bun run bench`: measures the figures of docs/performance.md (load-tests/README.md describes how). It stands here
 * because the load tests import no service: this file hands them the schemas that `--limit` compares with.
 */
import { migrations } from "../gateway/migrations/index.ts";
import { runBenchCommand } from "../load-tests/bench/command.ts";
import { migrationsOf } from "../replicas/migrations/index.ts";

await runBenchCommand({ source: migrations, replica: migrationsOf });
