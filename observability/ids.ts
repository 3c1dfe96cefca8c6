/**
 * Random ids of traces and spans, in hex. Random bytes are drawn in blocks, because each draw costs as much as a whole
 * span.
 */

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

/** 32 hex digits. The one invalid id, all zeros, has a probability of 2^-128 and is not excluded. */
export const newTraceId = (): string => randomHex(16);

/** 16 hex digits. */
export const newSpanId = (): string => randomHex(8);
