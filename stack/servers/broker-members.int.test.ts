import { expect, test } from "bun:test";
import { brokerMembers } from "./broker-members.ts";

test("a server that is no broker is an error, and not an uncaught one", async () => {
  using echo = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (socket, chunk) => void socket.write(chunk) },
  });
  const members = brokerMembers("127.0.0.1", echo.port);
  await expect(members).rejects.toThrow("did not answer as a broker does");
});
