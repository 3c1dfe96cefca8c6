/** Where k6 sends its requests, and the settings of a run. Read from its environment (`k6 run -e NAME=value`). */

/** One instance of a replica. */
export interface ReplicaInstance {
  readonly name: string;
  readonly url: string;
}

const env = (name: string): string | undefined => __ENV[name] || undefined;

/** Base URLs of the gateway's instances. */
export const gateways = (env("GATEWAY") ?? "http://127.0.0.1:8080").split(",");

const instances: readonly ReplicaInstance[] = (
  env("REPLICAS") ?? "catalog=http://127.0.0.1:8081,storefront=http://127.0.0.1:8082"
)
  .split(",")
  .map((pair) => {
    const [name = "", ...rest] = pair.split("=");
    return { name, url: rest.join("=") };
  });

/** All replicas, each with the base URLs of its instances. */
export const replicas = [...new Set(instances.map(({ name }) => name))].map((name) => ({
  name,
  urls: instances.filter((site) => site.name === name).map(({ url }) => url),
}));

/** One of {@link replicas}. */
export type Replica = (typeof replicas)[number];

let requests = 0;

/** The next of several instances, round robin. */
export const nextOf = (urls: readonly string[]): string => urls[requests++ % urls.length] ?? "";

/** A setting of the run. @throws {Error} when its value is not a number above 0. */
export function setting(name: string, defaultValue: number): number {
  const value = Number(env(name) ?? defaultValue);
  if (!(value > 0)) throw new Error(`${name}=${env(name)}: must be a number above 0`);
  return value;
}

/** Headers of every request to the gateway. */
export const credentials: Readonly<Record<string, string>> = env("TOKEN")
  ? { authorization: `Bearer ${env("TOKEN")}` }
  : {};
