/** Adds a user to a broker, with Kafka's own tool: the client library cannot. */
import { join } from "node:path";
import { findJava } from "../../stack/embedded/java.ts";
import { kafkaJars } from "../../stack/embedded/kafka-jars.ts";
import { run } from "../../stack/embedded/machine-cache.ts";

/** @param broker host:port of a listener that asks nobody. */
export async function addScramUser(broker: string, user: string, password: string): Promise<void> {
  const java = await findJava({});
  const { status, output } = await run(java, [
    "-cp",
    join(await kafkaJars(java, {}), "*"),
    "kafka.admin.ConfigCommand",
    ...["--bootstrap-server", broker, "--alter", "--entity-type", "users", "--entity-name", user],
    ...["--add-config", `SCRAM-SHA-512=[password=${password}]`],
  ]);
  if (status !== 0) throw new Error(`the user was not added: ${output.slice(-500)}`);
}
