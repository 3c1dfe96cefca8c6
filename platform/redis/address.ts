/** Reads the URL of a Redis server: `redis://user:password@host:6379/0`, or `rediss://` with TLS. Pure. */

/** Where a server is, and how a connection begins. */
export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** Undefined: the server's default user. */
  readonly username: string | undefined;
  /** Undefined: the connection does not authenticate. */
  readonly password: string | undefined;
  /** Number of the database. */
  readonly database: number;
}

const DEFAULT_PORT = 6379;

/** @throws {Error} for a text that is no such URL. The message does not contain the password. */
export function redisAddress(url: string): RedisAddress {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const database = parsed?.pathname.slice(1) || "0";
  if (!parsed?.hostname || !/^rediss?:$/.test(parsed.protocol) || !/^\d+$/.test(database))
    throw new Error("the URL of Redis must look like redis://user:password@host:6379/0");
  const { hostname, port, protocol, username, password } = parsed;
  return {
    host: hostname.replace(/^\[(.*)\]$/, "$1"),
    port: port ? Number(port) : DEFAULT_PORT,
    tls: protocol === "rediss:",
    username: username ? decodeURIComponent(username) : undefined,
    password: password ? decodeURIComponent(password) : undefined,
    database: Number(database),
  };
}
