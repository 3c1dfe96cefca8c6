/**
 * A port that several instances of a service share on one machine (SO_REUSEPORT: the kernel distributes new
 * connections). Each instance forwards the connections that it accepts to its own port.
 *
 * This is not a second port of the HTTP server: Bun's server cannot stop accepting without closing the connections that
 * it has. Here the listener closes first, and the connections stay open.
 */
import type { Socket } from "bun";

/** One side of a forwarded connection. */
interface End {
  /** The other side; undefined until it is connected. */
  peer?: Socket<End>;
  /** Chunks that the other side could not accept yet. While there are any, this side is not read. */
  pending: Uint8Array[];
  closed: boolean;
}

/** An open listener on the shared port. */
export interface SharedPort {
  /**
   * Closes the listener: the kernel sends new connections to other instances. Existing connections stay. Takes at
   * most 2 s.
   */
  close(): Promise<void>;
}

const CLOSE_TIMEOUT_MS = 2_000;
/** After a turn of the event loop as short as this, no connection is left to accept. */
const SHORT_TURN_MS = 0.3;

/**
 * Starts listening, and forwards every connection to port `to`.
 *
 * @throws {Error} when a process that does not share the port is listening on it.
 */
export function sharePort(at: { readonly hostname: string; readonly port: number; readonly to: number }): SharedPort {
  const { hostname, port } = at;
  const open = (client: Socket<End>) => {
    client.data = { pending: [], closed: false };
    const server: End = { peer: client, pending: [], closed: false };
    Bun.connect<End>({ hostname, port: at.to, data: server, socket: forwarding }).then(
      (connected) => join(client, connected),
      () => client.end(),
    );
  };
  // Bun's types lack `reusePort` here; its runtime supports it.
  const options = { hostname, port, reusePort: true, socket: { ...forwarding, open } };
  const listener = Bun.listen<End>(options);
  return {
    async close() {
      await waitForShortTurn();
      listener.stop(false);
    },
  };
}

/**
 * Closing a listener resets connections that the kernel completed and nothing accepted yet. After a short turn there
 * are none.
 */
async function waitForShortTurn(): Promise<void> {
  const deadline = performance.now() + CLOSE_TIMEOUT_MS;
  for (let before = performance.now(); before < deadline; before = performance.now()) {
    // One turn of the event loop, not a time: the platform's `sleep` has no such unit.
    await new Promise((resolve) => setImmediate(resolve));
    if (performance.now() - before < SHORT_TURN_MS) return;
  }
}

/** Handlers of both sides: what one side receives, the other side sends. */
const forwarding = {
  data(from: Socket<End>, chunk: Uint8Array) {
    const { peer, pending } = from.data;
    // The runtime reuses the buffer of `chunk`, so what has to wait is copied.
    if (!peer || pending.length > 0) return void pending.push(chunk.slice());
    const written = peer.write(chunk);
    if (written >= chunk.length) return;
    pending.push(chunk.slice(Math.max(0, written)));
    from.pause();
  },
  drain(to: Socket<End>) {
    if (to.data.peer) flush(to.data.peer);
  },
  close(from: Socket<End>) {
    from.data.closed = true;
    if (from.data.pending.length === 0) from.data.peer?.end();
  },
  error(from: Socket<End>) {
    from.data.peer?.end();
  },
};

function join(client: Socket<End>, server: Socket<End>): void {
  client.data.peer = server;
  flush(client);
}

/**
 * Writes the pending chunks. When all are written, it resumes reading, or ends the other side if this side is closed.
 */
function flush(from: Socket<End>): void {
  const { peer, pending, closed } = from.data;
  for (let chunk = pending[0]; peer && chunk; chunk = pending[0]) {
    const written = Math.max(0, peer.write(chunk));
    if (written < chunk.length) {
      pending[0] = chunk.subarray(written);
      return;
    }
    pending.shift();
  }
  if (closed) peer?.end();
  else from.resume();
}
