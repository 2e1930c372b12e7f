// What the reader presses, and what is sent then.

import {call, uuid} from './api.js';
import {accept, action, chosen, forget, hold, mostSlots, newSlot, propose, tick} from './event.js';
import {draw, drawNow, look, now, session, stop} from './session.js';
import {instants, offsetName, readersZone, sentence} from './times.js';
import {
  $, drawHistory, drawProposalError, drawTell, enable, fillProposal, isEnabled, recipients, say, write,
} from './view.js';
import {count, failureWords, kindOf, listed} from './words.js';

const events = 'parley.event.v1.EventService/';
const notifications = 'parley.notification.v1.NotificationService/';

// ---- What the reader sends

// Sends a change, and sends it again where no answer came: with the same id, by which it happens once. Gives the
// answer, or null where the change was not made.
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
  const times = count(slots.length, 'time');
  if (kind === 'confirm') return `You have confirmed ${slots.length ? times : 'that no time suits'}.`;
  return slots.length ? `Your choice is sent: ${times}.` : 'Your answer is sent: no time suits.';
}

async function tell() {
  const {state: {event}, name} = session;
  const names = recipients();
  const answer = await change(`${notifications}NotifyParties`, {event: name, recipients: names, etag: event.etag});
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
    const why = `${time} does not exist on that day in ${zone}: clocks are put forward over it.`;
    return drawProposalError(why, $('time'));
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
