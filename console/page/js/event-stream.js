/** Receives the console's event stream. The browser reconnects by itself and sends the id of the last event it got. */

const RECONNECT_MS = 3_000;
/** A silent stream is opened again after this time. Snapshots normally come every second. */
const SILENCE_LIMIT_MS = 20_000;
const EVENTS = ["hello", "snapshot", "hops", "activity", "job"];

/**
 * Opens the stream and keeps it open.
 *
 * @param {(event: string, data: any) => void} onEvent
 * @param {(connected: boolean) => void} onConnected
 */
export function openEventStream(onEvent, onConnected) {
  /** @type {EventSource | undefined} */
  let source;
  let lastEventAt = 0;
  const open = () => {
    source?.close();
    source = new EventSource("/api/events");
    lastEventAt = performance.now();
    source.onopen = () => onConnected(true);
    source.onerror = () => {
      onConnected(false);
      // After a rejection the browser does not reconnect by itself.
      if (source?.readyState === EventSource.CLOSED) setTimeout(open, RECONNECT_MS);
    };
    for (const name of EVENTS)
      source.addEventListener(name, (event) => {
        lastEventAt = performance.now();
        onConnected(true);
        onEvent(name, JSON.parse(event.data));
      });
  };
  open();
  setInterval(() => {
    if (source?.readyState === EventSource.OPEN && performance.now() - lastEventAt > SILENCE_LIMIT_MS) open();
  }, RECONNECT_MS);
}
