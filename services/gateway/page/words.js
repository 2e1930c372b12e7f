// What the page says.

import {isReader, quorum, without} from './event.js';
import {clock, dayName, minute, roughly, sentence} from './times.js';

export const count = (number, word) => `${number} ${word}${number === 1 ? '' : 's'}`;
export const listed = (words) =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
const these = (number) => number === 1 ? 'this time' : `these ${number} times`;

export const states = {
  OPEN: 'Open',
  AGREED: 'Agreed',
  ABANDONED: 'Given up: no time suits',
  SUPERSEDED: 'Replaced by a new event',
};

export function buttonWords({kind, why, unsure, slots}) {
  if (kind === 'update') return unsure ? 'None of these times suit' : 'Send my choice';
  if (why === 'many') return 'Send my choice';
  const what = slots.length ? these(slots.length) : 'that no time suits';
  return why === 'done' ? `You have confirmed ${what}` : `Confirm ${what}`;
}

export function hintWords({kind, why, unsure, slots}, event, byOthers) {
  if (why === 'many') return 'At most 30 times can be proposed. Untick some.';
  if (why === 'staff') {
    return 'You are staff and no party of this event: you can look and change the times, but not confirm them.';
  }
  const {needed, confirmed} = quorum(event);
  if (why === 'done' && slots.length > 1 && confirmed >= needed) {
    return `Enough have confirmed these ${slots.length} times. To agree, untick all but one, and send that.`;
  }
  if (why === 'done') return byOthers ? 'Now it is up to the others.' : '';
  if (kind === 'confirm' && slots.length > 1) return 'Nothing is agreed until one time is left.';
  if (kind === 'update' && !unsure) return 'The others then see your choice in place of the present times.';
  return '';
}

export function quorumWords(event) {
  const {all, needed, confirmed} = quorum(event);
  if (!event.open) return `${confirmed} of ${all} confirmed.`;
  const parties = needed < all ? `${needed} of the ${all}` : ['', 'the only party', 'both'][all] ?? `all ${all}`;
  const have = `${parties} ${needed === 1 ? 'has' : 'have'} confirmed`;
  const rule = event.slots.length > 1 ? `Agreed when one time is left and ${have} it.`
    : event.slots.length ? `Agreed once ${have} it.` : `Given up once ${have} that no time suits.`;
  return `${confirmed} of ${all} ${confirmed === 1 ? 'has' : 'have'} confirmed so far. ${rule}`;
}

export function who(state, address) {
  if (isReader(state, address)) return 'You';
  return address === 'erased' ? 'Somebody who was erased' : address;
}

function slotsWords(entry, before) {
  if (!before) return entry.slots.length ? `proposed ${count(entry.slots.length, 'time')}` : 'asked, without times yet';
  const added = without(entry.slots, before.slots).length;
  const removed = without(before.slots, entry.slots).length;
  if (!entry.slots.length) return 'took out all times';
  if (!removed) return `proposed ${added} more`;
  if (!added) return `narrowed the times to ${entry.slots.length}`;
  return `took out ${removed} and proposed ${added}, which leaves ${entry.slots.length}`;
}

// What an entry of the log says, without its time; `before` is the entry before it.
export function entryWords(state, entry, before) {
  const {data} = entry;
  const subject = who(state, entry.effector);
  const by = data.actedBy ? ` (${data.actedBy} acted)` : '';
  if (entry.occurrence === 'NOTIFY') {
    if (isReader(state, data.recipient) && isReader(state, entry.effector)) return 'You asked for a new link';
    if (data.recipient === entry.effector) return `${subject} asked for a new link`;
    const sender = data.sender && data.sender !== entry.effector ? ` in the name of ${data.sender}` : '';
    return `${subject} told ${isReader(state, data.recipient) ? 'you' : data.recipient} by mail${sender}${by}`;
  }
  const did = [];
  if (entry.occurrence === 'VIEW') did.push('looked at it');
  if (data.opened || data.slotsChanged) did.push(slotsWords(entry, data.opened ? null : before));
  else if (data.affirmed && entry.slots.length) did.push(`confirmed ${count(entry.slots.length, 'time')}`);
  else if (data.affirmed) did.push('confirmed that no time suits');
  if (data.title) did.push(`changed the title to “${data.title}”`);
  if (data.timeZone) did.push(`changed the time zone to ${data.timeZone}`);
  if (data.predecessor) did.push('made this from an earlier event');
  if (data.successor) did.push('replaced it by a new event');
  if (data.deleted) did.push('deleted the event');
  if (data.erased) did.push('had a person erased');
  const then = data.closed ? {AGREED: '. It is agreed', ABANDONED: '. It is given up'}[data.state] ?? '' : '';
  return `${subject} ${did.length ? listed(did) : 'changed something'}${by}${then}`;
}

// What is announced as it happens: not that somebody looked, nor what a notice tells.
export function isNews(state, {effector, occurrence, data}) {
  return !isReader(state, effector) && !data.deleted && (occurrence === 'UPDATE' || data.affirmed);
}

export function changeWords(changes, zone, state) {
  const lines = [];
  if (changes.removed.length) lines.push(['No longer proposed', changes.removed.map((slot) => sentence(slot, zone))]);
  if (changes.added.length) lines.push(['New', changes.added.map((slot) => sentence(slot, zone))]);
  if (changes.title) lines.push(['New title', [changes.title]]);
  if (changes.timeZone) lines.push(['New time zone', [changes.timeZone]]);
  const names = changes.by.map((address) => who(state, address));
  return {head: `${listed(names) || 'Somebody'} changed this event meanwhile. Your choice is kept.`, lines};
}

export function expiryWords(reader, zone, now) {
  if (!reader.guest) return '';
  const until = Math.floor(reader.expires / minute) * minute;
  return 'This link is yours alone: whoever has it can act in your name. ' +
    `It is good until ${dayName(until, zone)}, ${clock(until, zone)}, for another ${roughly(reader.expires - now)}.`;
}

// Why a press did nothing.
export function failureWords(failure) {
  if (failure.reason === 'ETAG_MISMATCH') {
    return 'Somebody was faster: the event has changed, and nothing was sent. Look at what changed, then send again.';
  }
  if (failure.reason === 'EVENT_CLOSED') return 'The event was closed meanwhile. Nothing was sent.';
  if (failure.code === 'resource_exhausted') {
    const wait = failure.retryDelay ? roughly(failure.retryDelay) : 'a minute';
    return `Too much for now. Try again in ${wait}. Nothing was sent.`;
  }
  if (failure.passing) return 'No answer came. Press again when the connection is back: nothing happens twice.';
  if (failure.reason === 'PERMISSION_DENIED') return 'You may not do this. Nothing was sent.';
  return `This was refused: ${failure.message}`;
}

const notices = {
  home: () => ['Parley',
    'Parley helps people to agree on a time. To take part, open the link in the mail that you got. Members open this ' +
      'page with their key behind a # in its address.'],
  nokey: () => ['This link is not complete',
    'The part behind the # is missing. Open the link in your mail once more, whole; or have a new one sent to you.',
    'ask'],
  expired: () => ['Your link has expired',
    'Links are good for some days only. A new one can be mailed to the address that this one was for.',
    'renew'],
  withdrawn: ({guest, event}) => guest
    ? ['This link does not open anything any more',
      'It was withdrawn, the event was deleted, or a part of the link is missing.' +
        (event ? ' If you take part in the event, you can have a new link sent to you.' : ''),
      'ask']
    : ['This key does not open anything', 'It was withdrawn, or a part of it is missing.'],
  denied: ({guest}) => ['This key does not open this event',
    guest ? 'The link in a mail opens one event: the one that the mail is about.'
      : 'You are no party of it, or it does not exist.'],
  deleted: ({deleted, state}) => ['The event was deleted',
    (deleted ? `${who(state, deleted.effector)} deleted it. ` : '') +
      'It is gone for everybody; nothing is agreed by it any more.'],
  broken: () => ['Something went wrong', 'This page cannot show the event. Open the link again later.'],
};

// Why there is nothing to see, or nothing more: a heading, a text, and the control that helps.
export const noticeWords = (kind, about) => notices[kind](about);

export function kindOf(failure) {
  return {
    TOKEN_EXPIRED: 'expired',
    CREDENTIAL_INVALID: 'withdrawn',
    CREDENTIAL_MISSING: 'nokey',
    PERMISSION_DENIED: 'denied',
    INVALID_FIELDS: 'denied',
    NOT_FOUND: 'deleted',
  }[failure?.reason] ?? (failure ? 'broken' : 'deleted');
}
