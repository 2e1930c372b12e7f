// The page behind a link in a mail, `/events/{event}#KEY`: what the reader does, and what the server tells. Opening it
// writes nothing on the event's log, since scanners of mail open links and run scripts.
//
// The key stays in the fragment, which no browser sends anywhere. It is written nowhere else.

import {call, uuid} from './api.js';
import {
  accept, action, changes, chosen, forget, hold, isParty, isReader, mostSlots, newSlot, newState, propose, readersAddress,
  take, tick, viewConfirms,
} from './event.js';
import {list, open} from './list.js';
import {instant, instants, offsetName, readersZone, sentence} from './times.js';
import {
  $, drawEvent, drawHistory, drawNotice, drawProposalError, drawTell, enable, fillProposal, isEnabled, keepingFocus,
  recipients, say, show, write,
} from './view.js';
import {follow} from './watch.js';
import {count, entryWords, failureWords, isNews, kindOf, listed} from './words.js';

const events = 'parley.event.v1.EventService/';
const notifications = 'parley.notification.v1.NotificationService/';
const tokens = 'parley.token.v1.TokenService/';

// One for each link that is opened; what belongs to an earlier one is dropped.
let session = null;

function begin() {
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
    busy: false, // a call is under way
    sure: false, // the second press is asked for
    all: false, // the whole history is shown
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
  enable($('renew'), true);
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
      const {reader, choice} = begun.state;
      begun.state = {...newState(), reader, choice};
    },
  });
  return undefined;
}

// Nothing more comes: says why, and leaves what was shown.
function stop(kind) {
  session.notice = kind;
  session.state.caughtUp = true;
  session.watch?.stop();
  show($('loading'), false);
  write($('away'), '');
  draw();
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
      await new Promise((resolve) => setTimeout(resolve, Math.max(failure.retryDelay, Math.min(10_000, 500 * 2 ** attempt))));
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
      begun.state.reader = {guest: true, address: token.party ?? '', token: token.name, expires: instant(token.expireTime)};
    } else {
      const user = await surely(`${tokens}GetUser`, {name: 'users/self'});
      if (begun !== session) return;
      begun.state.reader = {staff: user.role === 'STAFF', address: user.address};
      if (!begun.name) {
        await list(begun.key, (failure) => say(failureWords(failure)));
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

// ---- What the server tells

let drawing = 0;

// Once for all that comes at a time.
function draw() {
  drawing ||= requestAnimationFrame(() => {
    drawing = 0;
    drawNow();
  });
}

// What the controls depend on besides the event.
const now = () => ({busy: session.busy, live: !session.away, ended: !!session.notice});

function drawNow() {
  const {state, notice, sure, all, guest, name} = session;
  const ready = state.caughtUp && state.reader && state.event;
  keepingFocus(() => {
    drawNotice(notice, {guest, event: name, deleted: state.deleted, state: state.reader && state});
    if (!ready) return;
    show($('loading'), false);
    drawEvent(state, Date.now(), {...now(), sure, all});
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
  if (news && entry !== undefined && state.reader) announce(state.entries[entry], state.entries[entry - 1]);
  if (state.caughtUp) draw();
}

function announce(entry, before) {
  if (isNews(session.state, entry)) say(`${entryWords(session.state, entry, before)}.`);
}

function lost(failure) {
  session.away = true;
  write($('away'), failure?.code === 'resource_exhausted'
    ? 'This page asks too often for now. It goes on by itself.'
    : `No connection.${session.state.event ? ' What you see may be old; your choice is kept.' : ''} The page goes on by itself.`);
  draw();
}

// ---- The reader's look

// Told on the reader's first gesture, once: never where it would confirm.
function view() {
  const {state, notice, away, viewed, gestured} = session;
  if (viewed || !gestured || notice || away || !state.event || !state.reader || !state.caughtUp || viewConfirms(state)) return;
  session.viewed = true;
  look().catch((failure) => { if (failure.passing) session.viewed = false; });
}

async function look() {
  const begun = session;
  const event = await call(`${events}GetEvent`, {name: begun.name}, begun.key);
  if (begun !== session) return;
  begun.viewed = true;
  accept(begun.state, event);
  draw();
}

for (const type of ['pointerdown', 'keydown', 'touchstart', 'wheel']) {
  addEventListener(type, (event) => {
    if (!event.isTrusted) return;
    session.gestured = true;
    view();
  }, {capture: true, passive: true});
}

// ---- What the reader sends

// Sends a change, and sends it again where no answer came: with the same id, by which it happens once. True where it
// was made.
async function change(method, request) {
  const begun = session;
  const content = method + JSON.stringify(request);
  if (begun.attempt?.content !== content) begun.attempt = {content, requestId: uuid()};
  begun.busy = true;
  say('');
  drawNow();
  try {
    for (let attempt = 0; ; attempt++) {
      try {
        const answer = await call(method, {...request, requestId: begun.attempt.requestId}, begun.key);
        begun.attempt = null;
        return answer;
      } catch (failure) {
        if (begun !== session) return null;
        if (failure.passing && attempt < 2) {
          await new Promise((resolve) => setTimeout(resolve, Math.max(failure.retryDelay, 400 * 4 ** attempt)));
          continue;
        }
        if (!failure.passing) begun.attempt = null;
        if (failure.code === 'unauthenticated' || failure.code === 'not_found') stop(kindOf(failure));
        else say(failureWords(failure));
        return null;
      }
    }
  } finally {
    begun.busy = false;
    draw();
  }
}

async function send() {
  const begun = session;
  const {state, name} = session;
  const act = action(state, Date.now());
  if (act.kind === 'nothing') return;
  session.sure = false;
  // What is shown now is what was chosen, whatever comes meanwhile.
  hold(state);
  const {etag} = state.event;
  const answer = act.kind === 'confirm'
    ? await change(`${events}ConfirmEvent`, {name, etag})
    : await change(`${events}UpdateEvent`, {
      event: {name, etag, slots: act.slots.map(({startTime, duration}) => ({startTime, duration}))},
      updateMask: 'slots',
    });
  if (!answer || begun !== session) return;
  forget(state);
  accept(state, answer);
  say(sentWords(act, answer));
  drawNow();
  if (state.event.open) $('tell').open = true;
}

function sentWords({kind, slots}, {state}) {
  if (state === 'AGREED') return 'Agreed. All is settled.';
  if (state === 'ABANDONED') return 'Given up: no time suits.';
  if (kind === 'confirm') return slots.length ? `You have confirmed ${count(slots.length, 'time')}.` : 'You have confirmed that no time suits.';
  return slots.length ? `Your choice is sent: ${count(slots.length, 'time')}.` : 'Your answer is sent: no time suits.';
}

async function tell() {
  const {state, name} = session;
  const names = recipients();
  const answer = await change(`${notifications}NotifyParties`, {event: name, recipients: names, etag: state.event.etag});
  if (answer) say(`A mail to ${listed(names)} is on its way.`);
}

// Takes a new link to be mailed: the answer is the same for everybody.
async function ask(button, subject) {
  if (!isEnabled(button)) return;
  enable(button, false);
  try {
    await call(`${notifications}RequestEmailToken`, subject);
    say('If this link was yours, a new one is on its way to your mailbox. That may take some minutes.');
  } catch (failure) {
    say(failureWords(failure));
    enable(button, true);
  }
}

// ---- Proposing

function add() {
  const {state} = session;
  const zone = readersZone();
  const date = $('date').value;
  const time = $('time').value;
  const milliseconds = $('lasts').value * 60_000;
  if (!date) return drawProposalError('Give the day.', $('date'));
  if (!time) return drawProposalError('Give the time at which it begins.', $('time'));
  const [start, again] = instants(date, time, zone);
  if (start === undefined) {
    return drawProposalError(`${time} does not exist on that day in ${zone}: clocks are put forward over it.`, $('time'));
  }
  const slot = newSlot(start, milliseconds);
  if (slot.end <= Date.now()) return drawProposalError('This time is over already.', $('date'));
  if (chosen(state, Date.now()).length >= mostSlots) {
    return drawProposalError(`At most ${mostSlots} times can be proposed. Untick some first.`, $('time'));
  }
  if (!propose(state, slot)) return drawProposalError('This time is in the list already.', $('time'));
  drawProposalError('');
  $('time').value = '';
  say(`Added: ${sentence(slot, zone)}.` + (again === undefined ? ''
    : ` ${time} comes twice that day, since clocks are put back. This is the first one, ${offsetName(start, zone)}.`));
  draw();
  return undefined;
}

// ---- Controls

function pressed(id, act) {
  $(id).addEventListener('click', () => { if (isEnabled($(id))) act(); });
}

pressed('send', () => {
  if (!action(session.state, Date.now()).unsure) return send();
  session.sure = true;
  drawNow();
  $('yes').focus();
  return undefined;
});
pressed('yes', send);
function back() {
  session.sure = false;
  drawNow();
  $('send').focus();
}
pressed('back', back);
$('sure').addEventListener('keydown', (event) => { if (event.key === 'Escape') back(); });
pressed('forget', () => {
  forget(session.state);
  drawNow();
  $('title').focus();
});
pressed('seen', async () => {
  const begun = session;
  begun.busy = true;
  drawNow();
  try {
    await look();
    say('Parley knows now that you have seen these times: you have confirmed them.');
  } catch (failure) {
    say(failureWords(failure));
  }
  begun.busy = false;
  draw();
});
pressed('tell-send', tell);
$('recipients').addEventListener('change', () => drawTell(session.state, now()));
$('rows').addEventListener('change', ({target}) => {
  session.sure = false;
  tick(session.state, target.closest('li').dataset.key, target.checked);
  draw();
});
$('propose').addEventListener('toggle', () => {
  if ($('propose').open) fillProposal(session.state, Date.now(), readersZone());
});
$('propose-form').addEventListener('submit', (event) => {
  event.preventDefault();
  add();
});
$('history').addEventListener('toggle', () => drawHistory(session.state, readersZone(), session.all));
pressed('earlier', () => {
  session.all = true;
  drawNow();
  $('history').querySelector('summary').focus();
});
$('renew').addEventListener('click', () => ask($('renew'), {key: session.key}));
$('ask').addEventListener('submit', (event) => {
  event.preventDefault();
  const address = $('ask-address').value.trim();
  const good = /^\S+@\S+$/.test(address);
  write($('ask-error'), good ? '' : 'Give your e-mail address.');
  if (good) ask($('ask').querySelector('button'), {party: {event: session.name, address}});
  else $('ask-address').focus();
});

// ---- The world around

addEventListener('hashchange', begin);
addEventListener('offline', () => lost());
addEventListener('online', () => session.watch?.again({always: true}));
addEventListener('pageshow', (event) => { if (event.persisted) session.watch?.again({always: true}); });
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') session.watch?.again({always: false});
});
// Times end, links expire.
setInterval(draw, 30_000);

begin();
