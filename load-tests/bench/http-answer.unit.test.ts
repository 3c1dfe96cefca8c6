import { describe, expect, test } from "bun:test";
import { takeAnswer } from "./http-answer.ts";

const created =
  'HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nETag: "7"\r\nContent-Length: 12\r\n\r\n{"id":"é1"}';
const deleted = 'HTTP/1.1 204 No Content\r\netag: "8"\r\n\r\n';

describe("an HTTP answer", () => {
  test("is taken whole: status, ETag without quotes, body by its length in bytes", () => {
    const bytes = Buffer.from(created);
    expect(takeAnswer(bytes)).toEqual({
      answer: { status: 201, etag: "7", body: '{"id":"é1"}' },
      length: bytes.length,
    });
  });

  test("is not there before its last byte is, wherever it was cut", () => {
    const bytes = Buffer.from(created);
    for (let n = 0; n < bytes.length; n++) expect(takeAnswer(bytes.subarray(0, n))).toBeUndefined();
  });

  test("leaves what follows it", () => {
    const bytes = Buffer.from(deleted + created);
    expect(takeAnswer(bytes)).toEqual({
      answer: { status: 204, etag: "8", body: "" },
      length: Buffer.byteLength(deleted),
    });
  });

  test("that is none, or does not tell its length, is refused", () => {
    expect(() => takeAnswer(Buffer.from("SSH-2.0-OpenSSH\r\n\r\n"))).toThrow("not an HTTP/1.1 answer");
    expect(() => takeAnswer(Buffer.from("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))).toThrow("length");
  });
});
