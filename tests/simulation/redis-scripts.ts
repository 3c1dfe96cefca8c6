/** What the scripts of replicas/cache/*.lua do, in TypeScript. redis-model.int.test.ts compares them on a real Redis. */
import fenceText from "../../replicas/cache/fence.lua" with { type: "text" };
import fillText from "../../replicas/cache/fill.lua" with { type: "text" };
import gateText from "../../replicas/cache/gate.lua" with { type: "text" };
import installText from "../../replicas/cache/install.lua" with { type: "text" };
import leaseText from "../../replicas/cache/lease.lua" with { type: "text" };
import liftText from "../../replicas/cache/lift.lua" with { type: "text" };
import storeText from "../../replicas/cache/store.lua" with { type: "text" };

/** The data of a server, as far as the scripts use it. */
export interface RedisData {
  readonly strings: {
    get(key: string): string | undefined;
    set(key: string, value: string, ttlMs: number): void;
    delete(key: string): void;
  };
  readonly hashes: Map<string, Map<string, string>>;
}

/** Runs one script. Keys and arguments are as in Lua, but counted from 0. */
export type RedisScript = (data: RedisData, keys: readonly string[], args: readonly string[]) => string;

/** Most fences of one entity: more belong to processes that are gone. */
const MAX_FENCES = 16;

const versionOf = (fence: string): number => Number.parseInt(fence, 10);
const processOf = (fence: string): string => fence.slice(fence.indexOf(":") + 1).split(".", 1)[0]!;

function stateOf(data: RedisData, key: string): Map<string, string> {
  let state = data.hashes.get(key);
  if (!state) {
    state = new Map();
    data.hashes.set(key, state);
  }
  return state;
}

/** Redis removes a hash with its last field. */
function remove(data: RedisData, key: string, field: string): void {
  const state = data.hashes.get(key);
  state?.delete(field);
  if (state?.size === 0) data.hashes.delete(key);
}

const gated =
  (script: RedisScript): RedisScript =>
  (data, keys, args) => {
    const installed = data.hashes.get(keys[0]!)?.get("epoch");
    if (installed === args[0]) return script(data, keys, args);
    return installed !== undefined && Number(installed) > Number(args[0]) ? "behind" : "lost";
  };

const fence: RedisScript = (data, [state, ...entries], [, token, ...fences]) => {
  const fenced = data.hashes.get(state!);
  const process = token!.split(".", 1)[0];
  const values = entries.map((entry, i) => {
    const own = fences[i]!;
    const present = fenced?.get(entry);
    if (present === undefined) return own;
    const all = present.split(" ");
    const remaining = all.filter((other) => processOf(other) !== process || versionOf(other) > versionOf(own));
    if (remaining.length > MAX_FENCES) return undefined;
    return [...remaining, remaining.length < all.length ? `${own}!` : own].join(" ");
  });
  if (values.includes(undefined)) return "lost";
  entries.forEach((entry, i) => {
    stateOf(data, state!).set(entry, values[i]!);
    data.strings.delete(entry);
  });
  return "ok";
};

const store: RedisScript = (data, [state, ...entries], [, ttlMs, ...pairs]) => {
  const fenced = data.hashes.get(state!);
  entries.forEach((entry, i) => {
    const own = pairs[2 * i]!;
    const text = pairs[2 * i + 1]!;
    const all = fenced?.get(entry)?.split(" ") ?? [];
    if (!all.includes(own) && !all.includes(`${own}!`)) return;
    const higher = all.filter((other) => other !== own && other !== `${own}!` && versionOf(other) > versionOf(own));
    if (higher.length > 0) fenced!.set(entry, higher.join(" "));
    else {
      if (text !== "") data.strings.set(entry, text, Number(ttlMs));
      remove(data, state!, entry);
    }
  });
  return "ok";
};

const lift: RedisScript = (data, [state, ...entries], [, ...fences]) => {
  const fenced = data.hashes.get(state!);
  entries.forEach((entry, i) => {
    const all = fenced?.get(entry)?.split(" ") ?? [];
    const remaining = all.filter((other) => other !== fences[i]);
    if (remaining.length === all.length) return;
    if (remaining.length > 0) fenced!.set(entry, remaining.join(" "));
    else remove(data, state!, entry);
  });
  return "ok";
};

const lease: RedisScript = (data, [state, entry], [epoch, token, ttlMs, schemaVersion]) => {
  if (data.hashes.get(state!)?.has(entry!)) return "fenced";
  const present = data.strings.get(entry!) ?? "";
  const [, presentEpoch, presentSchema] = /^(\S+) \S+ (\S+) /.exec(present) ?? [];
  if (presentEpoch === epoch && presentSchema === schemaVersion) return present;
  data.strings.set(entry!, `lease ${token}`, Number(ttlMs));
  return "leased";
};

const fill: RedisScript = (data, [, entry], [, token, ttlMs, text]) => {
  if (data.strings.get(entry!) !== `lease ${token}`) return "rejected";
  if (text === "") {
    data.strings.delete(entry!);
    return "rejected";
  }
  data.strings.set(entry!, text!, Number(ttlMs));
  return "stored";
};

const install: RedisScript = (data, [state], [epoch]) => {
  const installed = data.hashes.get(state!)?.get("epoch");
  if (installed !== undefined && Number(installed) >= Number(epoch)) return installed === epoch ? "ok" : "behind";
  data.hashes.set(state!, new Map([["epoch", epoch!]]));
  return "ok";
};

const scripts: readonly (readonly [text: string, script: RedisScript])[] = [
  [`${gateText}\n${fenceText}`, gated(fence)],
  [`${gateText}\n${storeText}`, gated(store)],
  [`${gateText}\n${liftText}`, gated(lift)],
  [`${gateText}\n${leaseText}`, gated(lease)],
  [`${gateText}\n${fillText}`, gated(fill)],
  [installText, install],
];

const digestOf = (text: string): string => new Bun.CryptoHasher("sha1").update(text).digest("hex");

/** All scripts, by their text and by its SHA-1 digest. */
export const scriptsByText: ReadonlyMap<string, RedisScript> = new Map(scripts);
/** {@link scriptsByText} */
export const textsByDigest: ReadonlyMap<string, string> = new Map(scripts.map(([text]) => [digestOf(text), text]));
