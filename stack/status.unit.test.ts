import { expect, test } from "bun:test";
import { type StackStatus, statusText } from "./status.ts";

const PASSWORD = "s3cret@pass";

/** A status with one server at `url`. */
const statusWith = (url: string, reason?: string): StackStatus => ({
  ready: true,
  supervisor: { pid: 1 },
  services: [
    {
      name: "gateway-db",
      kind: "postgres",
      instance: 1,
      pid: 2,
      url,
      health: reason ? "not ready" : "ready",
      ...(reason ? { reason } : {}),
      restarts: 0,
      crashes: 0,
    },
  ],
});

test.each([
  [`postgres://owner:${PASSWORD}@127.0.0.1:8090/lockstep`, "postgres://owner:***@127.0.0.1:8090/lockstep"],
  [`redis://:${PASSWORD}@127.0.0.1:8091`, "redis://:***@127.0.0.1:8091"],
  [`postgres://127.0.0.1/lockstep?user=a&password=${PASSWORD}`, "postgres://127.0.0.1/lockstep?user=a&password=***"],
])("status masks the password of %s", (url, masked) => {
  const text = statusText(statusWith(url), ".lockstep");
  expect(text).toContain(masked);
  expect(text).not.toContain("s3cret");
});

test("status masks a password in the reason of a problem, too", () => {
  const reason = `cannot connect to postgres://owner:${PASSWORD}@127.0.0.1:8090/lockstep`;
  expect(statusText(statusWith("postgres://127.0.0.1:8090", reason), ".lockstep")).not.toContain("s3cret");
});

test("status shows passwords with showSecrets, and leaves URLs without a password as they are", () => {
  const url = `postgres://owner:${PASSWORD}@127.0.0.1:8090/lockstep`;
  expect(statusText(statusWith(url), ".lockstep", true)).toContain(url);
  expect(statusText(statusWith("http://127.0.0.1:8080"), ".lockstep")).toContain("http://127.0.0.1:8080");
});
