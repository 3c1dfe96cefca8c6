/** Apache Kafka's jars, through Maven with the machine's own settings, once per machine. */
import { writeFileSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { cached, MissingComponentError, reasonIn, run, withProgress } from "./machine-cache.ts";
import type { StartOptions } from "./server.ts";

const VERSION = "4.3.1";
const OTHERWISE = "install Maven (apt-get install maven), or set KAFKA_BROKERS to brokers of your own";

const dependency = (group: string, artifact: string, version: string) =>
  `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`;

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>lockstep</groupId><artifactId>broker</artifactId><version>1</version>
<dependencies>${dependency("org.apache.kafka", "kafka_2.13", VERSION)}${dependency("org.slf4j", "slf4j-simple", "1.7.36")}</dependencies>
</project>
`;

/**
 * Gives the folder with Kafka's jars.
 *
 * @throws {MissingComponentError} when there is no Maven, or it cannot fetch them.
 */
export function kafkaJars(java: string, waiting: StartOptions): Promise<string> {
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
            { cwd: folder, env: withJava(java), signal: waiting.signal },
          );
          if (status === 127)
            throw new MissingComponentError("Maven, which brings Apache Kafka, is not on this machine", OTHERWISE);
          if (status !== 0)
            throw new MissingComponentError(
              `Apache Kafka could not be fetched (${reasonIn(output)})`,
              "check the network and Maven's settings (mvn dependency:get), or set KAFKA_BROKERS to brokers of your own",
            );
        },
        waiting,
      ),
    waiting,
  ).then((folder) => join(folder, "lib"));
}

/** Maven finds Java by JAVA_HOME, or on the PATH, where ours may not be. */
const withJava = (java: string): NodeJS.ProcessEnv =>
  isAbsolute(java) ? { ...process.env, JAVA_HOME: dirname(dirname(java)) } : process.env;
