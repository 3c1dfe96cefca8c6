import { expect, test } from "bun:test";
import { once } from "node:events";
import { socketFactory } from "./socket.ts";

test("repeated unref calls on a socket add no listeners, neither before nor after its connection failed", async () => {
  const socket = socketFactory(
    1_000,
    1_000,
  )({
    host: "127.0.0.1",
    // The discard port. No process listens on it.
    port: 9,
    ssl: undefined as never,
    onConnect: () => {},
  });
  const failed = once(socket, "error");
  const before = socket.listenerCount("connect");
  for (let i = 0; i < 20; i++) socket.unref();
  expect(socket.listenerCount("connect")).toBeLessThanOrEqual(before + 1);
  await failed;
  for (let i = 0; i < 20; i++) socket.unref();
  expect(socket.listenerCount("connect")).toBeLessThanOrEqual(before + 1);
});
