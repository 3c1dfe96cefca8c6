/** Stand-in for Grafana and Redpanda Console. Healthy when the files and brokers of compose.yaml are available. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";

function grafana(secret: string): void {
  if (readFileSync(secret, "utf8").trim() === "") throw new Error(`${secret} is empty`);
  writeFileSync("/var/lib/grafana/started", "");
  for (const kind of ["datasources", "dashboards"])
    if (!readdirSync(join("/etc/grafana/provisioning", kind)).some((file) => file.endsWith(".yaml")))
      throw new Error(`/etc/grafana/provisioning/${kind} has no YAML file`);
  readFileSync(process.env.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH ?? "");
  for (const file of readdirSync("/etc/grafana/dashboards").filter((name) => name.endsWith(".json")))
    JSON.parse(readFileSync(join("/etc/grafana/dashboards", file), "utf8"));
}

const connectTo = (broker: string) =>
  new Promise<void>((resolve, reject) => {
    const [host = "", port = ""] = broker.split(":");
    const socket = connect(Number(port), host, () => {
      socket.destroy();
      resolve();
    });
    socket.on("error", reject);
  });

const { GF_SECURITY_ADMIN_PASSWORD__FILE: secret, KAFKA_BROKERS: brokers } = process.env;
Bun.serve({
  hostname: "0.0.0.0",
  port: secret ? 3000 : 8080,
  async fetch() {
    try {
      if (secret) grafana(secret);
      else await Promise.all((brokers ?? "").split(",").map(connectTo));
      return new Response("ok");
    } catch (error) {
      return new Response(String(error), { status: 503 });
    }
  },
});
