/**
 * `docker compose up` alone starts the whole stack, writes reach the replicas, and killed containers are restarted.
 * Needs TEST_DOCKER, the command for Docker. With TEST_STAND_INS=1, stand-ins (tests/containers) replace third-party
 * images.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { tmpdir } from "node:os";
import {
  compose,
  crashService,
  httpGet,
  inspectService,
  projectFilter,
  runChaos,
  runDocker,
  runSmokeTest,
  startServices,
  tryDocker,
} from "./containers/docker.ts";
import { hadolint } from "./containers/hadolint.ts";
import { buildStandIns } from "./containers/stand-ins.ts";
import { eventually } from "./harness/eventually.ts";

const MINUTES = 60_000;
const LARGEST_IMAGE_BYTES = 140_000_000;
const IMAGE = "lockstep:0.1.0";
const CLUSTER = ["--env-file", "stack/compose/cluster.env"];

const services = ["gateway", "relay", "stream", "catalog", "storefront"];
const servers = ["redpanda", "gateway-db", "catalog-db", "storefront-db", "redis"];
const observers = ["console", "redpanda-console", "jaeger", "prometheus", "grafana"];

let isUp = false;

const removeAll = () =>
  compose(...CLUSTER, "--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "2");

/** Prints how long a step took. docs/operate/deploy.md quotes these figures. */
async function timed(what: string, work: () => Promise<unknown>): Promise<void> {
  const startedAt = performance.now();
  await work();
  console.log(`${what}: ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
}

/** Waits until the smoke test passes within its own thresholds. */
const writesSucceed = (what: string) => eventually(() => runSmokeTest(3), { timeoutMs: 2 * MINUTES, what });

describe.skipIf(!process.env.TEST_DOCKER)("docker compose", () => {
  beforeAll(async () => {
    await removeAll();
    if (process.env.TEST_STAND_INS) await timed("stand-in images", buildStandIns);
    await timed("image", () => compose("build"));
  }, 10 * MINUTES);
  afterAll(async () => void (await removeAll()), MINUTES);

  test("compose.yaml is valid, with one broker and with three", async () => {
    expect((await compose("config", "--services")).split("\n").sort()).toEqual(
      // The project of the tests has no replica insights, and starts no container of it.
      [...services, ...servers, ...observers, "insights", "insights-db"].sort(),
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
    "the image is small, runs as a user other than root, and prints its version",
    async () => {
      const facts = await runDocker("image", "inspect", "--format", "{{.Size}} {{.Config.User}}", IMAGE);
      const [size, user] = facts.split(" ");
      expect(user).toBe("1000:1000");
      expect(Number(size)).toBeLessThan(LARGEST_IMAGE_BYTES);
      expect(await runDocker("run", "--rm", "--read-only", "--network", "none", IMAGE, "--version")).toBe("0.1.0");
    },
    MINUTES,
  );

  test(
    "all containers start without earlier data and become healthy",
    async () => {
      await timed("up from nothing", () => startServices());
      isUp = true;
      await timed("smoke", () => runSmokeTest(20));
    },
    5 * MINUTES,
  );

  test(
    "no container runs as root, each has memory and CPU limits, and only Redpanda has a writable root file system",
    async () => {
      expect(isUp, "the stack did not start").toBe(true);
      const facts = "{{.Config.User}}|{{.HostConfig.ReadonlyRootfs}}|{{.HostConfig.Memory}}|{{.HostConfig.NanoCpus}}";
      for (const service of [...services, ...servers, ...observers]) {
        const [user, readOnly, memory, cpus] = (await inspectService(service, facts))[0]!.split("|");
        expect({ service, user }).not.toEqual({ service, user: expect.stringMatching(/^(0|root)?(:|$)/) });
        expect({ service, readOnly }).toEqual({ service, readOnly: String(service !== "redpanda") });
        expect(Number(memory)).toBeGreaterThan(0);
        expect(Number(cpus)).toBeGreaterThan(0);
      }
    },
    MINUTES,
  );

  test(
    "Prometheus scrapes every service, Jaeger has the traces, and the console reports every service ready",
    async () => {
      expect(isUp, "the stack did not start").toBe(true);
      await eventually(
        async () => {
          const { data } = JSON.parse(await httpGet("http://prometheus:9090/api/v1/query?query=up%3D%3D1"));
          const up = data.result.map(({ metric }: { metric: { service?: string } }) => metric.service);
          const expected = ["console", "gateway", "relay", "replica-catalog", "replica-storefront", "stream"];
          expect(up.filter((name?: string) => name !== undefined).sort()).toEqual(expected);
          const { data: tracedServices } = JSON.parse(await httpGet("http://jaeger:16686/api/services"));
          expect(tracedServices).toContain("lockstep-replica-storefront");
          const status = JSON.parse(await httpGet("http://console:8080/api/status"));
          return status.services.every(({ health }: { health: string }) => health === "ready");
        },
        { timeoutMs: MINUTES, everyMs: 1_000, what: "metrics, traces and status of every service" },
      );
    },
    2 * MINUTES,
  );

  for (const service of [...services, ...servers])
    test(
      `after a kill of ${service}, writes succeed again`,
      async () => {
        expect(isUp, "the stack did not start").toBe(true);
        const [before] = await inspectService(service, "{{.State.StartedAt}}");
        await crashService(service);
        await timed(`kill of ${service}, until writes succeed`, () =>
          writesSucceed(`writes to succeed after the kill of ${service}`),
        );
        expect((await inspectService(service, "{{.State.StartedAt}}"))[0]).not.toBe(before!);
      },
      3 * MINUTES,
    );

  test(
    "killed observability containers become healthy again",
    async () => {
      expect(isUp, "the stack did not start").toBe(true);
      await Promise.all(observers.map(crashService));
      await eventually(
        async () => {
          const health = await Promise.all(
            observers.map((service) => inspectService(service, "{{.State.Health.Status}}")),
          );
          return health.flat().every((status) => status === "healthy");
        },
        { timeoutMs: 2 * MINUTES, everyMs: 500, what: "every observability container to be healthy" },
      );
    },
    3 * MINUTES,
  );

  test(
    "every promise holds in a run of chaos, which kills, pauses and disconnects containers",
    async () => {
      expect(isUp, "the stack did not start").toBe(true);
      const faults = "kill,terminate,suspended,kept-down,network-lost";
      const { status, output } = await runChaos(
        "--seed",
        "7",
        "--seconds",
        "30",
        "--faults",
        faults,
        "--keep",
        tmpdir(),
      );
      console.log(output);
      expect({ status, output }).toEqual({ status: 0, output: expect.stringContaining("all promises held") });
    },
    5 * MINUTES,
  );

  test(
    "three instances of the stream are healthy, and writes succeed",
    async () => {
      expect(isUp, "the stack did not start").toBe(true);
      await startServices(["--no-recreate", "--scale", "stream=3"]);
      expect(await inspectService("stream", "{{.State.Health.Status}}")).toEqual(["healthy", "healthy", "healthy"]);
      await writesSucceed("writes to succeed with three streams");
    },
    3 * MINUTES,
  );

  test(
    "down --volumes removes every container and volume",
    async () => {
      await timed("down", removeAll);
      expect(await runDocker("ps", "--all", "--quiet", ...projectFilter)).toBe("");
      expect(await runDocker("volume", "ls", "--quiet", ...projectFilter)).toBe("");
    },
    MINUTES,
  );

  test(
    "with three brokers, writes succeed after one broker was killed",
    async () => {
      await timed("up with three brokers", () => startServices(services, CLUSTER));
      await crashService("redpanda-3");
      await timed("kill of one of three brokers, until writes succeed", () =>
        writesSucceed("writes to succeed with two brokers"),
      );
    },
    6 * MINUTES,
  );
});
