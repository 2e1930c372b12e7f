// The page behind a link in a mail, `/events/{event}#KEY`: what the reader does, and what the server tells. Opening it
// writes nothing on the event's log, since scanners of mail open links and run scripts.
//
// The key stays in the fragment, which no browser sends anywhere. It is written nowhere else.

import './controls.js';
import {begin, draw, lost, returned, session, view} from './session.js';

for (const type of ['pointerdown', 'keydown', 'touchstart', 'wheel']) {
  addEventListener(type, (event) => {
    if (!event.isTrusted) return;
    session.gestured = true;
    view();
  }, {capture: true, passive: true});
}

addEventListener('hashchange', begin);
addEventListener('offline', () => { if (session.watch && !session.notice) lost(); });
addEventListener('online', () => session.watch?.again({always: true}));
addEventListener('pageshow', (event) => { if (event.persisted) session.watch?.again({always: true}); });
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') session.watch?.again({always: false});
});
addEventListener('focus', returned);
// Times end, links expire.
setInterval(draw, 30_000);

begin();
