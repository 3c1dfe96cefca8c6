/**
 * compose.yaml of a new project: its image is built from the npm package, and a write reaches the replica. Needs
 * TEST_DOCKER. With TEST_STAND_INS=1, stand-ins (tests/containers) replace third-party images.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { basename, join } from "node:path";
import { init } from "../init/command.ts";
import { packageName } from "../init/files.ts";
import { runDocker } from "./containers/docker.ts";
import { buildStandIns } from "./containers/stand-ins.ts";
import { temporaryFolder } from "./harness/servers.ts";

const MINUTES = 60_000;
const folder = temporaryFolder("new-project-containers");

/** The image that compose.yaml builds. */
const own = `${packageName(basename(folder))}:latest`;

const compose = (...args: string[]) =>
  runDocker(
    ...["compose", "--progress", "quiet", "--project-name", "lockstep-new-project", "--project-directory", folder],
    ...["--file", join(folder, "compose.yaml"), ...args],
  );

/** Sends a request from inside a container. @returns the body. */
const request = async (url: string, body?: object): Promise<unknown> => {
  const options = body && {
    method: "POST",
    headers: { "content-type": "application/json", prefer: "wait=30" },
    body: JSON.stringify(body),
  };
  const script = `console.log(await (await fetch(${JSON.stringify(url)}, ${JSON.stringify(options ?? {})})).text())`;
  return JSON.parse(await compose("exec", "-T", "console", "bun", "-e", script));
};

describe.skipIf(!process.env.TEST_DOCKER)("docker compose in a new project", () => {
  beforeAll(async () => {
    await init(folder, { isForced: true });
    const file = Bun.file(join(folder, "compose.yaml"));
    const text = await file.text();
    const images = [...text.matchAll(/^ +image: (\S+)$/gm)].map(([, image]) => image!);
    if (process.env.TEST_STAND_INS) await buildStandIns(images.filter((image) => image !== own));
    // Another stack may use these ports.
    await Bun.write(file, text.replace(/^ +ports: .*\n/gm, ""));
  }, 10 * MINUTES);
  afterAll(async () => {
    await compose("down", "--volumes", "--timeout", "2", "--rmi", "local");
  }, MINUTES);

  test(
    "the image is built, every service is healthy, and a write reaches the replica",
    async () => {
      await compose("up", "--detach", "--build", "--wait", "--wait-timeout", "240").catch(async (error) => {
        throw new Error(`${error}\n${await compose("ps", "--all")}\n${await compose("logs", "--tail", "3")}`);
      });
      const created = await request("http://gateway:8080/tasks", { title: "In a container" });
      expect(created).toMatchObject({ title: "In a container", status: "open" });
      expect(await request("http://board:8080/tasks")).toMatchObject({ items: [{ title: "In a container" }] });
      expect((await runDocker("image", "inspect", "--format", "{{.Config.User}}", own)).trim()).toBe("bun");
    },
    6 * MINUTES,
  );
});
