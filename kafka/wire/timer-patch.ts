/**
 * A patch for kafkajs 2.2.4, which schedules a timer after every response even when no request is throttled. Its delay
 * is then minus the time since 1970: each costs a wake-up, and newer runtimes print a TimeoutNegativeWarning
 * (tulios/kafkajs#1751). The patch keeps only timers that have a request to wait for.
 */
import RequestQueue from "kafkajs/src/network/requestQueue/index.js";

const schedule = RequestQueue.prototype.scheduleCheckPendingRequests;
RequestQueue.prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
  if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this);
};
