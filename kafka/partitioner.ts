/** Chooses the partition of a record, by the rule that Kafka's own clients use. */

/**
 * Returns the partition of a key, from 0: murmur2 of the key's bytes, sign bit cleared, modulo `partitions`. Producers
 * with Kafka's default partitioner choose the same partition.
 *
 * @see org.apache.kafka.clients.producer.internals.BuiltInPartitioner
 */
export function partitionForKey(key: string | Buffer, partitions: number): number {
  const hash = typeof key === "string" ? hashText(key) : murmur2(key, key.length);
  return (hash & 0x7fffffff) % partitions;
}

/** Reused for every key, so that hashing allocates nothing. */
const scratch = Buffer.allocUnsafe(256);

function hashText(key: string): number {
  // A UTF-16 unit takes at most three bytes in UTF-8.
  const bytes = 3 * key.length <= scratch.length ? scratch : Buffer.allocUnsafe(3 * key.length);
  return murmur2(bytes, bytes.write(key));
}

/** MurmurHash2 of the first `length` bytes, 32 bits, seed 0x9747b28c, as in org.apache.kafka.common.utils.Utils. */
function murmur2(data: Buffer, length: number): number {
  const m = 0x5bd1e995;
  let h = 0x9747b28c ^ length;
  const whole = length & ~3;
  for (let i = 0; i < whole; i += 4) {
    let k = Math.imul(data.readInt32LE(i), m);
    k ^= k >>> 24;
    h = Math.imul(h, m) ^ Math.imul(k, m);
  }
  const rest = length & 3;
  if (rest === 3) h ^= data[whole + 2]! << 16;
  if (rest >= 2) h ^= data[whole + 1]! << 8;
  if (rest >= 1) h = Math.imul(h ^ data[whole]!, m);
  h ^= h >>> 13;
  h = Math.imul(h, m);
  return h ^ (h >>> 15);
}
