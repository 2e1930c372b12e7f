// Follows an event, and goes on by itself when the connection breaks. Writes nothing on the event's log.

import {stream} from './api.js';

const longest = 30_000;

// Tells `message` each message; `away` that there is no connection, with the failure; `ended` that nothing more comes,
// with the failure, or without one where the event was deleted. `anew` says that all is told again from the first entry.
export function follow(name, key, {message, away, ended, anew}) {
  let after = '0';
  let breaks = 0;
  let stopped = false;
  let connection;
  let heardAt = 0;
  let wake = () => {};

  const pause = (milliseconds) => new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });

  async function connect() {
    connection = new AbortController();
    const request = {name, afterSequence: after};
    for await (const told of stream('parley.event.v1.EventService/WatchEvent', request, key, connection)) {
      if (stopped) return;
      heardAt = Date.now();
      breaks = 0;
      after = told.sequence ?? after;
      message(told);
    }
  }

  async function run() {
    while (!stopped) {
      let wait = 0;
      try {
        await connect();
        if (!stopped) ended();
        return;
      } catch (failure) {
        if (stopped) return;
        if (failure.reason === 'CURSOR_INVALID') {
          after = '0';
          anew();
        } else if (!failure.passing && failure.code !== 'resource_exhausted') {
          ended(failure);
          return;
        }
        wait = failure.retryDelay ?? 0;
        breaks += 1;
        // The first break may be a restart of the server: nobody needs to know.
        if (breaks > 1 || navigator.onLine === false || failure.reason === 'RATE_LIMITED') away(failure);
      }
      const growing = Math.min(longest, 250 * 2 ** breaks) * (0.75 + Math.random() / 2);
      await pause(Math.max(wait, growing));
    }
  }

  run();
  return {
    stop() {
      stopped = true;
      connection?.abort();
      wake();
    },
    // The network may be back: without waiting, and not on a connection that may be dead.
    again({always}) {
      if (always || Date.now() - heardAt > 12_000) connection?.abort();
      wake();
    },
  };
}
