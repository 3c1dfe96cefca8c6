import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { JAEGER_UID, PROMETHEUS_UID } from "../../observability/grafana/provisioning.ts";
import { freePort, temporaryFolder } from "../../tests/harness/servers.ts";
import { grafanaProgram, startGrafana } from "./grafana.ts";

/**
 * A substitute for Grafana, which no registry offers: it stores its arguments and environment, and answers health
 * checks.
 */
const STAND_IN = `#!${process.execPath}
await Bun.write(process.env.GF_PATHS_DATA + "/started.json", JSON.stringify({ args: process.argv.slice(2), env: process.env }));
Bun.serve({ port: Number(process.env.GF_SERVER_HTTP_PORT), hostname: "127.0.0.1", fetch: () => new Response("{}") });
`;

test("a Grafana on the PATH gets its web page, its data sources and Lockstep's dashboards", async () => {
  const dir = temporaryFolder("grafana");
  const home = join(dir, "unpacked");
  for (const folder of ["bin", "conf"]) mkdirSync(join(home, folder), { recursive: true });
  writeFileSync(join(home, "conf/defaults.ini"), "");
  writeFileSync(join(home, "bin/grafana"), STAND_IN);
  chmodSync(join(home, "bin/grafana"), 0o755);
  const path = process.env.PATH;
  process.env.PATH = `${join(home, "bin")}:${path}`;
  try {
    expect(grafanaProgram()).toEqual({ program: join(home, "bin/grafana"), home });
    const urls = { prometheusUrl: "http://127.0.0.1:1", jaegerUrl: "http://127.0.0.1:2" };
    const server = await startGrafana({ dir, port: await freePort(), ...urls });
    await server.stop();
  } finally {
    process.env.PATH = path;
  }
  const json = (file: string) => JSON.parse(readFileSync(join(dir, file), "utf8"));
  const { args, env } = json("data/started.json");
  expect(args).toEqual(["server", "--homepath", home]);
  const { datasources } = json(`${env.GF_PATHS_PROVISIONING.slice(dir.length)}/datasources/lockstep.yaml`);
  expect(datasources).toMatchObject([
    {
      uid: PROMETHEUS_UID,
      url: "http://127.0.0.1:1",
      jsonData: { exemplarTraceIdDestinations: [{ datasourceUid: JAEGER_UID }] },
    },
    { uid: JAEGER_UID, url: "http://127.0.0.1:2" },
  ]);
  const [{ options }] = json("provisioning/dashboards/lockstep.yaml").providers;
  expect(JSON.parse(readFileSync(join(options.path, "in-step.json"), "utf8")).title).toBe("In step");
});
