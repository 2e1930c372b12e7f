// What the page knows of an event, and what the reader has chosen. Functions of the state alone: no page, no network.

import {duration, instant} from './times.js';

export const mostSlots = 30;

// ---- What the server says

// `key` tells slots apart; the texts go back as they came.
function readSlot({startTime, duration: lasts}) {
  const start = instant(startTime);
  return {key: `${startTime} ${lasts}`, startTime, duration: lasts, start, end: start + duration(lasts)};
}

// A slot that the reader proposes, written as the server would.
export function newSlot(start, milliseconds) {
  return readSlot({
    startTime: new Date(start).toISOString().replace('.000Z', 'Z'),
    duration: `${milliseconds / 1000}s`,
  });
}

export function readEvent(event) {
  return {
    ...event,
    parties: (event.parties ?? []).map((party) => ({...party, confirmed: !!party.confirmed})),
    slots: (event.slots ?? []).map(readSlot),
    revision: Number(event.revision),
    allButOne: event.agreementPolicy?.quorum === 'ALL_BUT_ONE',
    byView: event.agreementPolicy?.confirmedBy === 'VIEW',
    timeZone: event.timeZone || 'UTC',
    open: event.state === 'OPEN',
  };
}

function readEntry(entry) {
  return {
    ...entry,
    at: instant(entry.createTime),
    revision: Number(entry.revision),
    slots: (entry.slots ?? []).map(readSlot),
    data: entry.data ?? {},
  };
}

const order = (one, other) => one.start - other.start || one.end - other.end;
const keysOf = (slots) => new Set(slots.map((slot) => slot.key));
export const without = (slots, others) => slots.filter((slot) => !keysOf(others).has(slot.key));
const same = (slots, others) => slots.length === others.length && !without(slots, others).length;

// ---- The state

export function newState() {
  return {
    event: null,
    entries: [], // the log, oldest first
    caughtUp: false,
    stale: false, // the event is from a log that is told anew
    deleted: null, // the entry by which the event was deleted
    reader: null, // {guest, staff, address, expires}
    choice: null, // {base, ticked, own}: what the reader chose, and from what; null while nothing was touched
  };
}

// Takes a message of the watch.
export function take(state, {logEntry, event}) {
  if (!logEntry) {
    state.caughtUp = true;
    return;
  }
  const entry = readEntry(logEntry);
  state.entries.push(entry);
  if (entry.data.deleted) state.deleted = entry;
  if (event) become(state, readEvent(event));
}

// Takes the answer to a call. It may be older than what the watch has told since.
export function accept(state, answer) {
  const event = readEvent(answer);
  const now = state.event;
  const confirmed = (party) => event.parties.some((other) => other.address === party.address && other.confirmed);
  if (event.revision > now.revision ||
    (event.revision === now.revision && now.parties.every((party) => !party.confirmed || confirmed(party)))) {
    become(state, event);
  }
}

function become(state, event) {
  if (state.event && !state.stale && event.revision < state.event.revision) return;
  state.stale = false;
  const {choice} = state;
  // What the reader has ticked stays ticked, also where it is no longer proposed.
  for (const slot of choice ? without(state.event.slots, event.slots) : []) {
    if (choice.ticked.has(slot.key)) choice.own.set(slot.key, {slot, mark: 'gone'});
  }
  state.event = event;
}

// ---- The reader

export const isReader = ({reader}, address) => reader.address.toLowerCase() === (address ?? '').toLowerCase();

export function readersParty(state) {
  return state.event.parties.find((party) => isReader(state, party.address));
}

// Guests are parties.
export const isParty = (state) => state.reader.guest || !!readersParty(state);

export const others = (state) =>
  state.event.parties.filter((party) => party.address !== 'erased' && !isReader(state, party.address));

// Of n who count, how many must have confirmed, and how many have.
export function quorum(event) {
  const parties = event.parties.filter((party) => party.address !== 'erased');
  const all = parties.length;
  return {
    all,
    needed: event.allButOne ? Math.max(Math.min(all, 2), all - 1) : all,
    confirmed: parties.filter((party) => party.confirmed).length,
  };
}

// To read the event may confirm its times: then it wants a labelled press.
export const viewConfirms = (state) => state.event.open && state.event.byView && isParty(state);

// ---- The choice

function touch(state) {
  state.choice ??= {base: state.event, ticked: keysOf(state.event.slots), own: new Map()};
  return state.choice;
}

// Holds on to what is shown now, whatever others change from here on.
export const hold = touch;

// Tells choices apart.
export const choiceText = ({choice}) => JSON.stringify([[...choice.ticked].sort(), [...choice.own.keys()].sort()]);

// What was sent has become the event; what the reader chose since then stays.
export function settle(state, sent) {
  if (state.choice && choiceText(state) === sent) state.choice = null;
  else if (state.choice) state.choice.base = state.event;
}

export function forget(state) {
  state.choice = null;
}

export function tick(state, key, on) {
  const {ticked} = touch(state);
  if (on) ticked.add(key);
  else ticked.delete(key);
}

// Adds a slot of the reader's own; false where it is there already.
export function propose(state, slot) {
  const {ticked, own} = touch(state);
  if (rows(state, 0).some((row) => row.slot.key === slot.key)) return false;
  own.set(slot.key, {slot, mark: 'own'});
  ticked.add(slot.key);
  return true;
}

// What to show, in order: each slot, whether it is ticked, and what is to be said of it: `new` to the reader, the
// reader's `own`, or `gone` meanwhile.
export function rows({event, choice}, now) {
  const row = (slot, ticked, mark) => ({slot, ticked, mark, over: slot.end <= now});
  if (!choice) return event.slots.map((slot) => row(slot, true, ''));
  const known = keysOf(choice.base.slots);
  const present = event.slots.map((slot) => {
    const seen = known.has(slot.key) || choice.own.has(slot.key);
    return row(slot, choice.ticked.has(slot.key), seen ? '' : 'new');
  });
  // What has ended cannot be proposed again.
  const extra = [...choice.own.values()].filter(({slot}) => !keysOf(event.slots).has(slot.key))
    .map(({slot, mark}) => row(slot, slot.end > now && choice.ticked.has(slot.key), mark));
  return [...present, ...extra].sort((one, other) => order(one.slot, other.slot));
}

export const chosen = (state, now) => rows(state, now).filter((row) => row.ticked).map((row) => row.slot);

// What the reader's choice comes to: `confirm` the present slots, `update` them, or `nothing` to do. `unsure` where it
// takes a second press.
export function action(state, now) {
  const {event} = state;
  const slots = chosen(state, now);
  if (slots.length > mostSlots) return {kind: 'nothing', why: 'many', slots};
  if (!same(slots, event.slots)) return {kind: 'update', unsure: !slots.length, slots};
  if (!isParty(state)) return {kind: 'nothing', why: 'staff', slots};
  // Creating closes nothing: what all have confirmed closes when one of them confirms it again.
  const {needed, confirmed} = quorum(event);
  const closes = slots.length <= 1 && confirmed >= needed;
  if (readersParty(state)?.confirmed && !closes) return {kind: 'nothing', why: 'done', slots};
  return {kind: 'confirm', unsure: !slots.length, slots};
}

// What others have changed since the reader began to choose; null for nothing.
export function changes(state) {
  const {event, choice, entries} = state;
  if (!choice || event.revision === choice.base.revision) return null;
  const {base} = choice;
  const found = {
    added: without(event.slots, base.slots),
    removed: without(base.slots, event.slots),
    title: event.title === base.title ? '' : event.title,
    timeZone: event.timeZone === base.timeZone ? '' : event.timeZone,
  };
  if (!found.added.length && !found.removed.length && !found.title && !found.timeZone) return null;
  const by = entries.filter((entry) => entry.revision > base.revision && entry.revision <= event.revision &&
    (entry.data.slotsChanged || entry.data.title || entry.data.timeZone));
  return {...found, by: [...new Set(by.map((entry) => entry.effector))]};
}
