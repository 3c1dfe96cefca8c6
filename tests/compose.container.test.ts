/**
 * `docker compose up` and nothing else: everything comes up, writes go through, and whatever dies comes back by itself.
 * Needs TEST_DOCKER, the command for Docker; with TEST_STAND_INS=1 the images of others are stand-ins (tests/containers).
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ask, compose, crash, inspect, ours, runDocker, smoke, tryDocker, up } from "./containers/docker.ts";
import { hadolint } from "./containers/hadolint.ts";
import { buildStandIns } from "./containers/stand-ins.ts";
import { eventually } from "./harness/eventually.ts";

const MINUTES = 60_000;
const LARGEST_IMAGE_BYTES = 140_000_000;
const IMAGE = "lockstep:0.1.0";
const CLUSTER = ["--env-file", "stack/compose/cluster.env"];

const services = ["gateway", "relay", "stream", "catalog", "storefront"];
const servers = ["redpanda", "gateway-db", "catalog-db", "storefront-db", "redis"];
const watchers = ["console", "redpanda-console", "jaeger", "prometheus", "grafana"];

let isUp = false;

const removeAll = () =>
  compose(...CLUSTER, "--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "2");

/** Says how long something took: docs/operate/deploy.md has these figures. */
async function timed(what: string, work: () => Promise<unknown>): Promise<void> {
  const begun = performance.now();
  await work();
  console.log(`${what}: ${((performance.now() - begun) / 1_000).toFixed(1)} s`);
}

/** Until writes go through again, within the smoke test's own thresholds. */
const flows = (what: string) => eventually(() => smoke(3), { timeoutMs: 2 * MINUTES, what });

describe.skipIf(!process.env.TEST_DOCKER)("docker compose", () => {
  beforeAll(async () => {
    await removeAll();
    if (process.env.TEST_STAND_INS) await timed("stand-in images", buildStandIns);
    await timed("image", () => compose("build"));
  }, 10 * MINUTES);
  afterAll(async () => void (await removeAll()), MINUTES);

  test("compose.yaml is valid, with one broker and with three", async () => {
    expect((await compose("config", "--services")).split("\n").sort()).toEqual(
      [...services, ...servers, ...watchers].sort(),
    );
    const cluster = (await compose(...CLUSTER, "config", "--services")).split("\n");
    expect(cluster).toContain("redpanda-2");
    expect(cluster).toContain("redpanda-3");
  });

  test(
    "the Dockerfile passes hadolint and BuildKit's own checks",
    async () => {
      expect(await hadolint("Dockerfile")).toEqual({ status: 0, output: "" });
      expect(await tryDocker("build", "--check", ".")).toMatchObject({ status: 0 });
    },
    MINUTES,
  );

  test(
    "the image is the executable and little else, and not root's",
    async () => {
      const said = await runDocker("image", "inspect", "--format", "{{.Size}} {{.Config.User}}", IMAGE);
      const [size, user] = said.split(" ");
      expect(user).toBe("1000:1000");
      expect(Number(size)).toBeLessThan(LARGEST_IMAGE_BYTES);
      expect(await runDocker("run", "--rm", "--read-only", "--network", "none", IMAGE, "--version")).toBe("0.1.0");
    },
    MINUTES,
  );

  test(
    "everything comes up from nothing and is healthy",
    async () => {
      await timed("up from nothing", () => up());
      isUp = true;
      await timed("smoke", () => smoke(20));
    },
    5 * MINUTES,
  );

  test(
    "no container is root's, and each has its bounds; only Redpanda writes to its own files",
    async () => {
      expect(isUp, "the stack did not come up").toBe(true);
      const facts = "{{.Config.User}}|{{.HostConfig.ReadonlyRootfs}}|{{.HostConfig.Memory}}|{{.HostConfig.NanoCpus}}";
      for (const service of [...services, ...servers, ...watchers]) {
        const [user, readOnly, memory, cpus] = (await inspect(service, facts))[0]!.split("|");
        expect({ service, user }).not.toEqual({ service, user: expect.stringMatching(/^(0|root)?(:|$)/) });
        expect({ service, readOnly }).toEqual({ service, readOnly: String(service !== "redpanda") });
        expect(Number(memory)).toBeGreaterThan(0);
        expect(Number(cpus)).toBeGreaterThan(0);
      }
    },
    MINUTES,
  );

  test(
    "Prometheus scrapes every service, Jaeger has the traces, the console finds everything well",
    async () => {
      expect(isUp, "the stack did not come up").toBe(true);
      await eventually(
        async () => {
          const { data } = JSON.parse(await ask("http://prometheus:9090/api/v1/query?query=up%3D%3D1"));
          const up = data.result.map(({ metric }: { metric: { service?: string } }) => metric.service);
          const expected = ["console", "gateway", "relay", "replica-catalog", "replica-storefront", "stream"];
          expect(up.filter((name?: string) => name !== undefined).sort()).toEqual(expected);
          const { data: traced } = JSON.parse(await ask("http://jaeger:16686/api/services"));
          expect(traced).toContain("lockstep-replica-storefront");
          const status = JSON.parse(await ask("http://console:8080/api/status"));
          return status.services.every(({ health }: { health: string }) => health === "ready");
        },
        { timeoutMs: MINUTES, everyMs: 1_000, what: "metrics, traces and status of every service" },
      );
    },
    2 * MINUTES,
  );

  for (const service of [...services, ...servers])
    test(
      `after a kill of ${service} writes go through again`,
      async () => {
        expect(isUp, "the stack did not come up").toBe(true);
        const [before] = await inspect(service, "{{.State.StartedAt}}");
        await crash(service);
        await timed(`kill of ${service}, until writes go through`, () => flows(`writes go through after ${service}`));
        expect((await inspect(service, "{{.State.StartedAt}}"))[0]).not.toBe(before!);
      },
      3 * MINUTES,
    );

  test(
    "what only watches comes back, too",
    async () => {
      expect(isUp, "the stack did not come up").toBe(true);
      await Promise.all(watchers.map(crash));
      await eventually(
        async () => {
          const health = await Promise.all(watchers.map((service) => inspect(service, "{{.State.Health.Status}}")));
          return health.flat().every((status) => status === "healthy");
        },
        { timeoutMs: 2 * MINUTES, everyMs: 500, what: "every container healthy" },
      );
    },
    3 * MINUTES,
  );

  test(
    "three streams share the work",
    async () => {
      expect(isUp, "the stack did not come up").toBe(true);
      await up(["--no-recreate", "--scale", "stream=3"]);
      expect(await inspect("stream", "{{.State.Health.Status}}")).toEqual(["healthy", "healthy", "healthy"]);
      await flows("writes go through three streams");
    },
    3 * MINUTES,
  );

  test(
    "down --volumes leaves nothing",
    async () => {
      await timed("down", removeAll);
      expect(await runDocker("ps", "--all", "--quiet", ...ours)).toBe("");
      expect(await runDocker("volume", "ls", "--quiet", ...ours)).toBe("");
    },
    MINUTES,
  );

  test(
    "three brokers: topics have three copies, and one broker may die",
    async () => {
      await timed("up with three brokers", () => up(services, CLUSTER));
      await crash("redpanda-3");
      await timed("kill of one of three brokers, until writes go through", () =>
        flows("writes go through two brokers"),
      );
    },
    6 * MINUTES,
  );
});
