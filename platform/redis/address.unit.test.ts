import { expect, test } from "bun:test";
import { redisAddress } from "./address.ts";

const plain = { host: "cache", port: 6379, tls: false, username: undefined, password: undefined, database: 0 };

test("the parts of a URL are optional", () => {
  expect(redisAddress("redis://cache")).toEqual(plain);
  expect(redisAddress("rediss://cache:6380/2")).toEqual({ ...plain, port: 6380, tls: true, database: 2 });
  expect(redisAddress("redis://:p%40ss@[::1]:1")).toEqual({ ...plain, host: "::1", port: 1, password: "p@ss" });
  expect(redisAddress("redis://user:secret@cache")).toEqual({ ...plain, username: "user", password: "secret" });
});

test("a text that is no URL of a Redis is rejected, and its password is not shown", () => {
  for (const url of ["cache:6379", "http://:secret@cache", "redis://:secret@cache/products"])
    expect(() => redisAddress(url)).toThrow(/^the URL of Redis must look like redis:\/\/user:password@host:6379\/0$/);
});
