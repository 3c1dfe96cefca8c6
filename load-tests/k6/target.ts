/** Where k6 sends its requests, and how a run was set: all from its environment (`k6 run -e NAME=value`). */

export interface Site {
  readonly name: string;
  readonly url: string;
}

const given = (name: string): string | undefined => __ENV[name] || undefined;

/** Base URLs of the gateway's instances. */
export const gateways = (given("GATEWAY") ?? "http://127.0.0.1:8080").split(",");

const sites: readonly Site[] = (given("REPLICAS") ?? "catalog=http://127.0.0.1:8081,storefront=http://127.0.0.1:8082")
  .split(",")
  .map((pair) => {
    const [name = "", ...rest] = pair.split("=");
    return { name, url: rest.join("=") };
  });

/** Every replica once, with the base URLs of all its instances. */
export const replicas = [...new Set(sites.map(({ name }) => name))].map((name) => ({
  name,
  urls: sites.filter((site) => site.name === name).map(({ url }) => url),
}));

export type Replica = (typeof replicas)[number];

let asked = 0;

/** One of several instances, in turn. */
export const oneOf = (urls: readonly string[]): string => urls[asked++ % urls.length] ?? "";

/** A number that the run was given. @throws {Error} for what is no number above 0. */
export function setting(name: string, otherwise: number): number {
  const value = Number(given(name) ?? otherwise);
  if (!(value > 0)) throw new Error(`${name}=${given(name)}: must be a number above 0`);
  return value;
}

/** What every request to the gateway carries. */
export const credentials: Readonly<Record<string, string>> = given("TOKEN")
  ? { authorization: `Bearer ${given("TOKEN")}` }
  : {};
