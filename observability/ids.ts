/** Random ids of traces and spans, as hex. Random bytes are drawn many at a time: each draw costs as much as a whole span. */

const pool = Buffer.alloc(4_096);
let used = pool.length;

function randomHex(bytes: number): string {
  if (used + bytes > pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  used += bytes;
  return pool.toString("hex", used - bytes, used);
}

/** 32 hex digits. Of 2^128 values one is not allowed, and does not come. */
export const newTraceId = (): string => randomHex(16);

/** 16 hex digits. */
export const newSpanId = (): string => randomHex(8);
