import { expect, test } from "bun:test";
import { encodeCommand, RedisReplyError, type Reply, ReplyReader } from "./resp.ts";

const bytes = Buffer.from("+OK\r\n:7\r\n$-1\r\n$5\r\nü\r\nx\r\n$0\r\n\r\n-NOSCRIPT no such script\r\n+end\r\n");
const replies: Reply[] = ["OK", 7, null, "ü\r\nx", "", new RedisReplyError("NOSCRIPT no such script"), "end"];

test("replies are read however their bytes are divided", () => {
  for (let size = 1; size <= bytes.length; size++) {
    const read: Reply[] = [];
    const reader = new ReplyReader((reply) => read.push(reply));
    for (let at = 0; at < bytes.length; at += size) {
      const chunk = Buffer.from(bytes.subarray(at, at + size));
      reader.read(chunk);
      chunk.fill(0); // the socket uses the memory again
    }
    expect(read).toEqual(replies);
  }
});

test("bytes that are no reply end the connection", () => {
  expect(() => new ReplyReader(() => {}).read(Buffer.from("HTTP/1.1 400\r\n"))).toThrow(/unknown kind: "H"/);
});

test("the length of a word is counted in bytes", () => {
  expect(encodeCommand(["SET", "ü", 12])).toBe("*3\r\n$3\r\nSET\r\n$2\r\nü\r\n$2\r\n12\r\n");
});
