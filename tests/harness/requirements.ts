/**
 * What the tests need and `bun install` does not bring. `bun run test` fetches all of it before the first test, once per
 * machine, so that no test's time limit covers a download or a build.
 */
import { UserError } from "../../contracts/errors.ts";
import { k6Binary } from "../../load-tests/load/k6-binary.ts";
import { jaegerBinary } from "../../stack/servers/jaeger-binary.ts";
import { findJava } from "../../stack/servers/java.ts";
import { kafkaJars } from "../../stack/servers/kafka-jars.ts";
import { postgresBinaries } from "../../stack/servers/postgres-binaries.ts";
import { prometheusPrograms } from "../../stack/servers/prometheus-binary.ts";
import { redisBinary } from "../../stack/servers/redis.ts";
import type { StartOptions } from "../../stack/servers/server.ts";
import { databaseUser } from "../../stack/servers/user.ts";
import { djangoPackages } from "../adoption/apps/bookshop-app.ts";
import { chromiumPath } from "./chromium.ts";
import { postgresClients } from "./postgres-clients.ts";
import type { Group } from "./test-jobs.ts";

/** A test file with its text. */
export interface TestFile {
  readonly group: Group;
  readonly path: string;
  readonly text: string;
}

/** A server or program that some tests need. */
export interface Requirement {
  /** Name in messages. */
  readonly name: string;
  /** True for a test file that cannot run without it. */
  readonly isNeededBy: (file: TestFile) => boolean;
  /** True: nearly all tests need it, so that its absence is a failure. False: its tests are skipped. */
  readonly isMandatory: boolean;
  /** Finds it on the machine or fetches it. @throws {Error} that says what to install. */
  readonly provide: (options: StartOptions) => Promise<unknown>;
}

const isServerGroup = ({ group }: TestFile): boolean => !["static", "unit", "container"].includes(group);
const mentions =
  (pattern: RegExp) =>
  ({ text }: TestFile): boolean =>
    pattern.test(text);

/** All requirements, in the order in which they are provided. */
export const requirements: readonly Requirement[] = [
  {
    name: "PostgreSQL",
    isNeededBy: isServerGroup,
    isMandatory: true,
    provide: async (options) => postgresBinaries(await databaseUser(), options),
  },
  {
    name: "Apache Kafka and Java",
    isNeededBy: isServerGroup,
    isMandatory: true,
    provide: async (options) => kafkaJars(await findJava(options), options),
  },
  { name: "Redis or Valkey", isNeededBy: isServerGroup, isMandatory: true, provide: redisBinary },
  {
    name: "Jaeger",
    isNeededBy: mentions(/\bTestJaeger\b|\bstartCollector\b|\bStack\.start\([^)]*\bobserve: true\b/),
    isMandatory: false,
    provide: jaegerBinary,
  },
  {
    name: "Prometheus",
    isNeededBy: mentions(/\bprometheusPrograms\b|\bstartPrometheus\b|\bStack\.start\([^)]*\bobserve: true\b/),
    isMandatory: false,
    provide: prometheusPrograms,
  },
  {
    name: "k6",
    isNeededBy: ({ path }) => path.endsWith("load-tests.e2e.test.ts"),
    isMandatory: false,
    provide: k6Binary,
  },
  {
    name: "PostgreSQL's client programs",
    isNeededBy: mentions(/\bpostgresClients\b/),
    isMandatory: false,
    provide: postgresClients,
  },
  { name: "Django", isNeededBy: mentions(/\bBookshopApp\b/), isMandatory: false, provide: djangoPackages },
  { name: "Chromium", isNeededBy: ({ group }) => group === "ui", isMandatory: false, provide: chromiumPath },
  {
    name: "Docker with Compose",
    isNeededBy: ({ group }) => group === "container",
    isMandatory: false,
    provide: async () => {
      if (!process.env.TEST_DOCKER) throw new UserError("set TEST_DOCKER=docker to run these tests with your Docker");
    },
  },
];

/** A test file that cannot run on this machine. */
export interface Skipped {
  readonly file: TestFile;
  /** The requirement that is missing, and what to do. */
  readonly reason: string;
}

/**
 * Provides what `files` need, one requirement after the other, and prints a line for each.
 *
 * @returns the files whose requirements are missing.
 * @throws {UserError} when a mandatory requirement is missing.
 */
export async function provideRequirements(
  files: readonly TestFile[],
  print: (line: string) => void,
  of: readonly Requirement[] = requirements,
): Promise<Skipped[]> {
  const skipped: Skipped[] = [];
  const needed = of.filter(({ isNeededBy }) => files.some(isNeededBy));
  if (needed.length > 0) print("== requirements (fetched once per machine)");
  for (const { name, isNeededBy, isMandatory, provide } of needed) {
    try {
      await provide({ print });
      print(`${name}: ready`);
    } catch (error) {
      const reason = `${name}: ${error instanceof Error ? error.message : String(error)}`;
      if (isMandatory) throw new UserError(`the tests cannot run without ${reason}`);
      const without = files.filter((file) => isNeededBy(file) && !skipped.some((skip) => skip.file === file));
      print(`MISSING ${reason}; skipped: ${without.map(({ path }) => path).join(", ")}`);
      skipped.push(...without.map((file) => ({ file, reason })));
    }
  }
  return skipped;
}

/** Counts the tests in a file by its text: each call of `test` or `test.each` counts once. */
export const countTests = ({ text }: TestFile): number => text.match(/^\s*test(?:\.\w+\([^\n]*\))?\(/gm)?.length ?? 0;
