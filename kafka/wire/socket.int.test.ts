import { expect, test } from "bun:test";
import { once } from "node:events";
import { socketFactory } from "./socket.ts";

test("a connection that is given up again and again gathers no listeners, before it failed and after", async () => {
  const socket = socketFactory(
    1_000,
    1_000,
  )({
    host: "127.0.0.1",
    // The discard port: nobody listens there.
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
