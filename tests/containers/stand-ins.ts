/** Builds the images of `stand-ins/` under the names in compose.yaml. For TEST_STAND_INS=1, without an image registry. */
import { dirname, join } from "node:path";
import { wheelK6 } from "../../load-tests/load/k6-binary.ts";
import { jaegerBinary } from "../../stack/servers/jaeger-binary.ts";
import { javaRuntime } from "../../stack/servers/java.ts";
import { kafkaJars } from "../../stack/servers/kafka-jars.ts";
import { compose, runDocker } from "./docker.ts";

const folder = join(import.meta.dirname, "stand-ins");

/** The image that the project builds itself. All others have a stand-in. */
const OWN = "lockstep";

/**
 * Builds stand-ins for images: by default for all of the repository's compose.yaml.
 *
 * @throws {Error} when a build fails; {MissingComponentError} when a program for it is missing.
 */
export async function buildStandIns(images?: readonly string[]): Promise<void> {
  const names = images ?? (await compose("--profile", "*", "config", "--images")).split("\n");
  for (const image of new Set(names)) {
    const target = standInFor(image);
    if (target === OWN) continue;
    const contexts = Object.entries((await contents[target]?.()) ?? {});
    const named = contexts.flatMap(([name, path]) => ["--build-context", `${name}=${path}`]);
    await runDocker("build", "--quiet", "--tag", image, "--target", target, ...named, folder);
  }
}

/** `docker.redpanda.com/redpandadata/console:v3` → `redpanda-console`. */
function standInFor(image: string): string {
  const [name = ""] = (image.split("/").at(-1) ?? "").split(":");
  return name === "console" ? "redpanda-console" : name;
}

/** Build contexts of some stand-ins: programs from package managers. */
const contents: Readonly<Record<string, () => Promise<Readonly<Record<string, string>>>>> = {
  redpanda: async () => {
    const java = await javaRuntime({});
    return { java, kafka: await kafkaJars(join(java, "bin/java"), {}) };
  },
  jaeger: async () => ({ "jaeger-binary": dirname(await jaegerBinary({})) }),
  k6: async () => ({ "k6-binary": dirname(await wheelK6()) }),
};
