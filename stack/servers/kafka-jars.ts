/** Apache Kafka's jars. The machine's own Maven fetches them once per machine, so its settings apply. */
import { writeFileSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { cached, MissingComponentError, withProgress } from "./machine-cache.ts";
import { errorLineOf, run } from "./run-command.ts";
import type { StartOptions } from "./server.ts";

const VERSION = "4.3.1";
const REMEDY = "install Maven (apt-get install maven), or set KAFKA_BROKERS to brokers of your own";

const dependency = (group: string, artifact: string, version: string) =>
  `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`;

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>lockstep</groupId><artifactId>broker</artifactId><version>1</version>
<dependencies>${dependency("org.apache.kafka", "kafka_2.13", VERSION)}${dependency("org.slf4j", "slf4j-simple", "1.7.36")}</dependencies>
</project>
`;

/**
 * The folder with Kafka's jars.
 *
 * @throws {MissingComponentError} when the machine has no Maven, or Maven cannot fetch them.
 */
export function kafkaJars(java: string, options: StartOptions): Promise<string> {
  return cached(
    `kafka-${VERSION}`,
    (folder) =>
      withProgress(
        `fetching Apache Kafka ${VERSION} through Maven (44 MB, once per machine)`,
        async () => {
          writeFileSync(join(folder, "pom.xml"), POM);
          const { status, output } = await run(
            "mvn",
            ["--batch-mode", "--quiet", "dependency:copy-dependencies", `-DoutputDirectory=${join(folder, "lib")}`],
            { cwd: folder, env: withJava(java), signal: options.signal },
          );
          if (status === 127)
            throw new MissingComponentError("Maven, which fetches Apache Kafka, is not on this machine", REMEDY);
          if (status !== 0)
            throw new MissingComponentError(
              `Apache Kafka could not be fetched (${errorLineOf(output)})`,
              "check the network and Maven's settings (mvn dependency:get), or set KAFKA_BROKERS to brokers of your own",
            );
        },
        options,
      ),
    options,
  ).then((folder) => join(folder, "lib"));
}

/** Maven finds Java by JAVA_HOME or on the PATH. A fetched Java is not on the PATH. */
const withJava = (java: string): NodeJS.ProcessEnv =>
  isAbsolute(java) ? { ...process.env, JAVA_HOME: dirname(dirname(java)) } : process.env;
