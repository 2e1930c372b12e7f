// What the reader presses, and what is sent then.

import {call, present, uuid} from './api.js';
import {accept, action, choiceText, chosen, forget, hold, mostSlots, newSlot, propose, settle, tick} from './event.js';
import {draw, drawNow, now, session, stop} from './session.js';
import {instants, offsetName, readersZone, sentence} from './times.js';
import {
  $, drawHistory, drawProposalError, drawTell, enable, fillProposal, isEnabled, recipients, say, write,
} from './view.js';
import {count, failureWords, kindOf, listed} from './words.js';

const events = 'parley.event.v1.EventService/';
const notifications = 'parley.notification.v1.NotificationService/';

// ---- What the reader sends

// Sends a change, and sends it again where no answer came: with the same id, by which it happens once. Gives the
// answer, or null where the change was not made. `what` is sent: `send`, `seen` or `tell`.
async function change(what, method, request) {
  const begun = session;
  const content = method + JSON.stringify(request);
  if (begun.attempt?.content !== content) begun.attempt = {content, requestId: uuid()};
  begun.busy = what;
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
        else say(failureWords(failure), {stays: true});
        // What has changed is not far: on a connection that may be dead it would not come.
        if (failure.reason === 'ETAG_MISMATCH') begun.watch?.again({always: true});
        return null;
      }
    }
  } finally {
    begun.busy = '';
    draw();
  }
}

async function send() {
  const begun = session;
  const {state, name} = session;
  const act = action(state, present());
  if (act.kind === 'nothing') return;
  if (session.sure) {
    session.sure = false;
    drawNow();
    $('send').focus();
  }
  // What is shown now is what was chosen, whatever comes meanwhile.
  hold(state);
  const sent = choiceText(state);
  const {etag} = state.event;
  const answer = act.kind === 'confirm'
    ? await change('send', `${events}ConfirmEvent`, {name, etag})
    : await change('send', `${events}UpdateEvent`, {
      event: {name, etag, slots: act.slots.map(({startTime, duration}) => ({startTime, duration}))},
      updateMask: 'slots',
    });
  if (!answer || begun !== session) return;
  accept(state, answer);
  settle(state, sent);
  say(sentWords(act, answer));
  drawNow();
  $('tell').open = true;
}

function sentWords({kind, slots}, {state}) {
  if (state === 'AGREED') return 'Agreed. Parley mails nobody by itself: you can tell the others below.';
  if (state === 'ABANDONED') return 'Given up: no time suits.';
  const times = count(slots.length, 'time');
  if (kind === 'confirm') return `You have confirmed ${slots.length ? times : 'that no time suits'}.`;
  return slots.length ? `Your choice is sent: ${times}.` : 'Your answer is sent: no time suits.';
}

async function tell() {
  const begun = session;
  const {state: {event}, name} = session;
  const names = recipients();
  const answer =
    await change('tell', `${notifications}NotifyParties`, {event: name, recipients: names, etag: event.etag});
  if (!answer || begun !== session) return;
  say(names.length > 3 ? `Mails to ${names.length} people are on their way.` : `A mail to ${listed(names)} is on its way.`);
}

// Takes a new link to be mailed: the answer is the same for everybody.
async function ask(button, subject) {
  if (!isEnabled(button)) return;
  enable(button, false);
  try {
    await call(`${notifications}RequestEmailToken`, subject);
    const whose = subject.key ? 'If this link was yours' : 'If this address takes part in the event';
    say(`${whose}, a new link is on its way to its mailbox. That may take some minutes.`, {stays: true});
  } catch (failure) {
    say(failureWords(failure), {stays: true});
    enable(button, true);
  }
}

// ---- Proposing

function add() {
  const {state} = session;
  const zone = readersZone();
  const date = $('date').value;
  const time = $('time').value;
  const milliseconds = Math.round($('lasts').value * 60_000);
  if (!date) return drawProposalError('Give the day.', $('date'));
  if (!time) return drawProposalError('Give the time at which it begins.', $('time'));
  const [start, again] = instants(date, time, zone);
  if (start === undefined) {
    const why = `${time} does not exist on that day in ${zone}: clocks are put forward over it.`;
    return drawProposalError(why, $('time'));
  }
  const slot = newSlot(start, milliseconds);
  if (slot.end <= present()) return drawProposalError('This time is over already.', $('date'));
  if (chosen(state, present()).length >= mostSlots) {
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

// What the controls stood for when the press began.
let begunOn = {shown: null, at: 0};
for (const type of ['pointerdown', 'keydown']) {
  addEventListener(type, () => { begunOn = {shown: session.shown, at: Date.now()}; }, {capture: true, passive: true});
}

// A press that others have overtaken is not meant for what stands there now. (One that nothing preceded comes from a
// screen reader, or a test.)
const longestPress = 5_000;
function answering(id, act) {
  pressed(id, () => {
    const begun = Date.now() - begunOn.at < longestPress ? begunOn.shown : session.shown;
    const now = {etag: session.state.event.etag, words: JSON.stringify(action(session.state, present()))};
    if (begun && begun.etag === now.etag && begun.words === now.words) return act();
    say('The times have just changed. Look again.', {stays: true});
    draw();
    return undefined;
  });
}

answering('send', () => {
  if (!action(session.state, present()).unsure) return send();
  session.sure = true;
  drawNow();
  $('yes').focus();
  return undefined;
});
answering('yes', send);
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
// By the etag of what is shown. A GetEvent would confirm whatever is there when it arrives.
answering('seen', async () => {
  const begun = session;
  const {state, name} = session;
  const answer = await change('seen', `${events}ConfirmEvent`, {name, etag: state.event.etag});
  if (!answer || begun !== session) return;
  accept(state, answer);
  say('Parley knows now that you have seen these times: you have confirmed them.');
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
  if ($('propose').open) fillProposal(session.state, present(), readersZone());
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
