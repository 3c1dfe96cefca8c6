/** Stand-ins for the client programs that docs/operate/recovery.md uses, as far as it uses them. */
import { Kafka, logLevel } from "kafkajs";
import postgres from "postgres";

const [program, ...args] = process.argv.slice(2);

/** `psql URL -c STATEMENT`. */
async function psql([url, , statement]: readonly string[]): Promise<void> {
  const sql = postgres(url!, { max: 1, onnotice: () => {} });
  await sql.unsafe(statement!);
  await sql.end({ timeout: 1 });
}

/** `rpk topic delete NAME`. */
async function rpk([, , name]: readonly string[]): Promise<void> {
  const admin = new Kafka({ brokers: [process.env.DRILL_BROKER!], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.deleteTopics({ topics: [name!] });
  await admin.disconnect();
}

await (program === "psql" ? psql(args) : rpk(args));
