/** A Redis server, as far as replicas/cache uses one. It may lose data, and come back with an old snapshot. */
import { type RedisData, scriptsByText, textsByDigest } from "./redis-scripts.ts";

interface Value {
  readonly text: string;
  readonly expiresAtMs: number;
}

/** The server. Each method is one command, and atomic. */
export class RedisServer implements RedisData {
  /** Number of the server process; its run id follows from it. */
  generation = 1;
  readonly hashes = new Map<string, Map<string, string>>();
  private readonly values = new Map<string, Value>();
  private readonly loaded = new Set<string>();
  private snapshot:
    | { readonly values: Map<string, Value>; readonly hashes: Map<string, Map<string, string>> }
    | undefined;

  /** @param nowMs the clock of the server. */
  constructor(private readonly nowMs: () => number) {}

  get runId(): string {
    return `run-${this.generation}`;
  }

  readonly strings: RedisData["strings"] = {
    get: (key) => {
      const value = this.values.get(key);
      return value && value.expiresAtMs > this.nowMs() ? value.text : undefined;
    },
    set: (key, text, ttlMs) => void this.values.set(key, { text, expiresAtMs: this.nowMs() + ttlMs }),
    delete: (key) => void this.values.delete(key),
  };

  /** @throws {Error} NOSCRIPT for a script that this server process was not sent yet. */
  evalsha(digest: string, keys: readonly string[], args: readonly string[]): string {
    const text = textsByDigest.get(digest);
    if (text === undefined || !this.loaded.has(text)) throw new Error("NOSCRIPT No matching script.");
    return scriptsByText.get(text)!(this, keys, args);
  }

  eval(text: string, keys: readonly string[], args: readonly string[]): string {
    const script = scriptsByText.get(text);
    if (!script) throw new Error(`the model of Redis does not know the script ${text}`);
    this.loaded.add(text);
    return script(this, keys, args);
  }

  /** Removes everything. */
  flush(): void {
    this.values.clear();
    this.hashes.clear();
  }

  /** Removes one key, as a server does whose memory is full. */
  evict(pick: (keys: readonly string[]) => string): void {
    const keys = [...this.values.keys(), ...this.hashes.keys()];
    if (keys.length === 0) return;
    const key = pick(keys);
    this.values.delete(key);
    this.hashes.delete(key);
  }

  /** Writes a snapshot, which the next restart reads. */
  save(): void {
    const hashes = new Map([...this.hashes].map(([key, hash]) => [key, new Map(hash)]));
    this.snapshot = { values: new Map(this.values), hashes };
  }

  /** A new server process, with the last snapshot or empty. Also a failover to a server that lagged. */
  restart(): void {
    this.generation++;
    this.loaded.clear();
    this.flush();
    for (const [key, value] of this.snapshot?.values ?? []) this.values.set(key, value);
    for (const [key, hash] of this.snapshot?.hashes ?? []) this.hashes.set(key, new Map(hash));
  }
}
