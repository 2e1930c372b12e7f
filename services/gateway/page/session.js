// A link that is open: its key, what the server tells, and what is drawn of it. Nothing here writes on the event's log
// but look().

import {call, present} from './api.js';
import {accept, action, forget, isReader, newState, take, viewConfirms} from './event.js';
import {list, open, refresh} from './list.js';
import {instant} from './times.js';
import {$, drawEvent, drawNotice, enable, keepingFocus, say, show, write} from './view.js';
import {follow} from './watch.js';
import {entryWords, failureWords, isNews, kindOf} from './words.js';

const tokens = 'parley.token.v1.TokenService/';

// One for each link that is opened; what belongs to an earlier one is dropped.
export let session = null;

export function begin() {
  session?.watch?.stop();
  const key = location.hash.slice(1);
  const id = /^\/events\/([^/]+)\/?$/.exec(location.pathname)?.[1];
  session = {
    key,
    name: id && `events/${id}`,
    guest: key.startsWith('parley_guest_'),
    state: newState(),
    watch: null,
    notice: '', // why there is nothing (more) to see
    away: false, // no connection
    busy: '', // the method of the call that is under way
    shown: null, // {etag, words}: what the controls stand for
    steadyAt: 0, // from when on what others changed has been seen
    sure: false, // the second press is asked for
    all: false, // the whole history is shown
    gestured: false, // the reader has done something
    viewed: false, // the reader's look was told to the server
    attempt: null, // the call that was sent last, and nobody knows whether it arrived
  };
  document.title = 'Parley';
  say('');
  write($('away'), '');
  for (const part of ['event', 'list', 'notice', 'ask', 'notice-link']) show($(part), false);
  $('rows').replaceChildren();
  $('entries').replaceChildren();
  $('recipients').replaceChildren();
  $('date').value = $('time').value = '';
  for (const details of document.querySelectorAll('details')) details.open = false;
  for (const button of [$('renew'), $('ask').querySelector('button')]) enable(button, true);
  if (!key) return stop(id ? 'nokey' : 'home');
  if (!/^[\w.~+/=-]+$/.test(key)) return stop('withdrawn');
  show($('loading'), true);
  const begun = session;
  meet(begun);
  if (!begun.name) return undefined;
  begun.watch = follow(begun.name, key, {
    message: (message) => begun === session && told(message),
    away: (failure) => begun === session && lost(failure),
    ended: (failure) => begun === session && stop(kindOf(failure)),
    anew: () => {
      const {reader, choice, event} = begun.state;
      begun.state = {...newState(), reader, choice, event, stale: true};
    },
  });
  return undefined;
}

// Nothing more comes: says why, and leaves what was shown.
export function stop(kind) {
  session.notice = kind;
  session.state.caughtUp = true;
  session.watch?.stop();
  show($('loading'), false);
  write($('away'), '');
  const wasShown = !$('event').hidden;
  drawNow();
  // To be seen, and heard, wherever the reader is on the page.
  if (wasShown) $('notice-head').focus();
}

// Tries until there is an answer.
async function surely(method, request) {
  const {key} = session;
  const begun = session;
  for (let attempt = 0; ; attempt++) {
    try {
      return await call(method, request, key);
    } catch (failure) {
      if (begun !== session || !(failure.passing || failure.code === 'resource_exhausted')) throw failure;
      if (attempt) lost(failure);
      const pause = Math.max(failure.retryDelay, Math.min(10_000, 500 * 2 ** attempt));
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}

// Who is the reader? This, too, writes nothing.
async function meet(begun) {
  try {
    if (begun.guest) {
      const token = await surely(`${tokens}GetEmailToken`, {name: 'events/-/emailTokens/self'});
      if (begun !== session) return;
      if (!begun.name) {
        location.replace(`/${token.event}#${begun.key}`);
        return;
      }
      if (token.event !== begun.name) {
        open($('notice-link'), `/${token.event}`, begun.key);
        show($('notice-link'), true);
        stop('denied');
        return;
      }
      begun.state.reader = {guest: true, address: token.party, expires: instant(token.expireTime)};
    } else {
      const user = await surely(`${tokens}GetUser`, {name: 'users/self'});
      if (begun !== session) return;
      begun.state.reader = {staff: user.role === 'STAFF', address: user.address};
      if (!begun.name) {
        await list(pageOf(begun), begun.key, (failure) => say(failureWords(failure), {stays: true}));
        if (begun !== session) return;
        show($('loading'), false);
        write($('away'), '');
        document.title = 'Your events - Parley';
      }
    }
  } catch (failure) {
    if (begun === session) stop(kindOf(failure));
    return;
  }
  draw();
}

// A page of the list of events; null where another link was opened meanwhile.
const pageOf = (begun) => async (pageToken) => {
  const page = await surely('parley.event.v1.EventService/ListEvents', {pageSize: 20, pageToken});
  return begun === session ? page : null;
};

// The reader has come back to the page, where that is the list of events.
export function returned() {
  const {name, key, state, notice} = session;
  if (!name && state.reader && !notice) refresh(pageOf(session), key).catch(() => {});
}

// ---- What the server tells

let drawing = 0;

// Once for all that comes at a time.
export function draw() {
  drawing ||= requestAnimationFrame(() => {
    drawing = 0;
    drawNow();
  });
}

// What the controls depend on besides the event.
export const now = () => ({
  busy: session.busy, live: !session.away, ended: !!session.notice, steady: Date.now() >= session.steadyAt,
});

// For as long as what others have changed may not have been seen, a press may be meant for what stood there before.
const unseen = 700;

function note() {
  const {state, shown} = session;
  const {etag} = state.event;
  session.shown = {etag, words: JSON.stringify(action(state, present()))};
  if (!shown || shown.etag === etag || session.busy) return;
  session.sure = false;
  session.steadyAt = Date.now() + unseen;
  setTimeout(draw, unseen + 10);
}

export function drawNow() {
  const {state, notice, all, guest, name} = session;
  const ready = state.caughtUp && state.reader && state.event;
  keepingFocus(() => {
    drawNotice(notice, {guest, event: name, deleted: state.reader && state.deleted, state: state.reader && state});
    if (!ready) return;
    show($('loading'), false);
    note();
    drawEvent(state, present(), {...now(), sure: session.sure, all});
    if (state.event.successor) open($('successor'), `/${state.event.successor}`, session.key);
  });
  if (ready) view();
}

function told(message) {
  const {state} = session;
  if (session.away) {
    session.away = false;
    write($('away'), '');
  }
  const entry = message.logEntry && state.entries.length;
  const news = state.caughtUp;
  take(state, message);
  if (entry !== undefined && session.attempt && !session.busy) arrived(state.entries[entry]);
  if (news && entry !== undefined && state.reader) announce(state.entries[entry], state.entries[entry - 1]);
  if (state.caughtUp) draw();
}

// No answer had come to what the reader sent.
function arrived({effector, data}) {
  const {state} = session;
  if (!isReader(state, effector) || !data.affirmed) return;
  session.attempt = null;
  forget(state);
  say('What you sent has arrived.');
}

function announce(entry, before) {
  if (isNews(session.state, entry)) say(`${entryWords(session.state, entry, before)}.`);
}

export function lost(failure) {
  session.away = true;
  const shown = session.state.event ? 'What you see may be old; your choice is kept. ' : '';
  write($('away'), failure?.code === 'resource_exhausted'
    ? 'This page asks too often for now. It goes on by itself.'
    : `No connection. ${shown}The page goes on by itself.`);
  draw();
}

// ---- The reader's look

// Told on the reader's first gesture, once: never where it would confirm.
export function view() {
  const {state, notice, away, viewed, gestured} = session;
  if (viewed || !gestured || notice || away) return;
  if (!state.event || !state.reader || !state.caughtUp || viewConfirms(state)) return;
  look().catch(() => {});
}

async function look() {
  const begun = session;
  begun.viewed = true;
  try {
    const event = await call('parley.event.v1.EventService/GetEvent', {name: begun.name}, begun.key);
    if (begun === session) accept(begun.state, event);
  } catch (failure) {
    begun.viewed = !failure.passing;
    throw failure;
  }
  draw();
}
