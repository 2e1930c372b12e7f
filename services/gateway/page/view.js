// Draws the state into the page. Changes what is there and nothing else, so that the focus stays where it is.

import {calendar} from './calendar.js';
import {action, changes, chosen, isParty, isReader, others, readersParty, rows, viewConfirms} from './event.js';
import {
  clock, dateIn, dayName, describe, knownZone, minute, offset, offsetName, readersZone, sameClocks, span, zoneName,
} from './times.js';
import {
  buttonWords, changeWords, count, entryWords, expiryWords, hintWords, noticeWords, quorumWords, states, who,
} from './words.js';

export const $ = (id) => document.getElementById(id);

export function element(name, text, className) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
}

export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export const show = (node, on) => { node.hidden = !on; };

// An address breaks behind its @ first.
function writeAddress(node, address, more = '') {
  const [local, domain] = address.split('@');
  node.replaceChildren(...(domain ? [`${local}@`, element('wbr'), domain + more] : [address + more]));
  return node;
}

// A button that cannot be pressed now keeps the focus, and can be heard.
export function enable(button, on) {
  button.setAttribute('aria-disabled', String(!on));
}

export const isEnabled = (button) => button.getAttribute('aria-disabled') !== 'true';

let silence;

// Said aloud, also where it is what was said before. It goes by itself where what it tells can be seen elsewhere too.
export function say(text, {stays = false} = {}) {
  clearTimeout(silence);
  if (text && !stays) silence = setTimeout(say, 10_000, '');
  $('status').replaceChildren(...(text ? [document.createTextNode(text)] : []));
}

// Draws, and puts the focus somewhere sensible where the node that had it is gone.
export function keepingFocus(draw) {
  const focused = document.activeElement;
  draw();
  if (!focused || focused === document.body || focused.getClientRects().length) return;
  // Never on a control that does something else.
  const near = focused.dataset.near === 'rows' ? $('rows').querySelector('input:not([hidden])') : null;
  [near, $('title'), $('notice-head')].find((node) => node?.getClientRects().length)?.focus({preventScroll: true});
}

// Items are known by a key and stay the same nodes; only new ones are put in.
function keyed(list, items, keyOf, make) {
  const known = new Map([...list.children].map((node) => [node.dataset.key, node]));
  const keys = new Set(items.map(keyOf));
  for (const [key, node] of known) if (!keys.has(key)) node.remove();
  let next = list.firstElementChild;
  return items.map((item) => {
    let node = known.get(keyOf(item));
    if (!node) {
      node = make(item);
      node.dataset.key = keyOf(item);
    }
    if (node === next) next = next.nextElementSibling;
    else list.insertBefore(node, next);
    return node;
  });
}

const copy = (id) => $(id).content.firstElementChild.cloneNode(true);

// ---- A notice, in place of the event or above it

export function drawNotice(notice, about) {
  show($('notice'), notice);
  if (!notice) return;
  const [head, text, control] = noticeWords(notice, about);
  write($('notice-head'), head);
  write($('notice-text'), text);
  show($('renew'), control === 'renew');
  show($('ask'), control === 'ask' && about.event);
}

// ---- The event

// Both zones, where their clocks differ.
function zoneWords(slot, zone, eventsZone) {
  if (sameClocks(slot, zone, eventsZone)) return '';
  const here = describe(slot, zone);
  const there = describe(slot, eventsZone);
  const name = eventsZone === 'UTC' ? 'UTC' : `${zoneName(eventsZone)} (${there.offset})`;
  return `${there.day === here.day ? '' : `${there.day}, `}${there.clock} ${name}`;
}

const marks = {
  new: 'new',
  own: 'your proposal',
  gone: 'no longer proposed, will be proposed again',
};

function drawRow(node, {slot, ticked, mark, over}, {open, zone, eventsZone, withOffset}) {
  const box = node.querySelector('input');
  show(box, open);
  box.checked = ticked;
  const {day, clock, offset, changes} = describe(slot, zone);
  write(node.querySelector('.day'), day);
  write(node.querySelector('.clock'), clock);
  write(node.querySelector('.offset'), changes || withOffset ? offset : '');
  write(node.querySelector('.zone'), zoneWords(slot, zone, eventsZone));
  const said = [mark === 'gone' && !ticked ? 'no longer proposed' : marks[mark], over && (mark ? 'over: cannot be proposed' : 'over')];
  write(node.querySelector('.mark'), said.filter(Boolean).join(', '));
}

function drawTimes(state, now, open, {zone, eventsZone}) {
  const {event} = state;
  show($('times'), open || (event.state !== 'AGREED' && event.slots.length));
  write($('times-head'), open ? 'Which times suit you?' : 'Times that were proposed');
  const shown = rows(open ? state : {event}, now);
  show($('none'), !event.slots.length);
  const {start} = shown[0]?.slot ?? {start: now};
  const withOffset = shown.some(({slot}) => offset(slot.start, zone) !== offset(start, zone));
  write($('zone'), shown.length
    ? `In your time zone, ${zoneName(zone)}${withOffset ? '' : ` (${offsetName(start, zone)})`}.` : '');
  const nodes = keyed($('rows'), shown, (row) => row.slot.key, () => copy('row'));
  shown.forEach((row, index) => drawRow(nodes[index], row, {open, zone, eventsZone, withOffset}));
}

function drawAgreed(state, now, {zone, eventsZone}) {
  const {event} = state;
  const agreed = event.state === 'AGREED' && event.slots.length === 1 && !state.deleted;
  show($('agreed'), agreed);
  if (!agreed) return;
  const [slot] = event.slots;
  const {day, clock, offset} = describe(slot, zone);
  write($('agreed-day'), day);
  write($('agreed-clock'), clock);
  write($('agreed-zone'), `${zoneName(zone)} (${offset})`);
  write($('agreed-there'), zoneWords(slot, zone, eventsZone));
  show($('agreed-over'), slot.end <= now);
  const link = $('calendar');
  if (link.download && link.dataset.etag === event.etag) return;
  if (link.href) URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(new Blob([calendar(event, now)], {type: 'text/calendar;charset=utf-8'}));
  link.download = 'appointment.ics';
  link.dataset.etag = event.etag;
}

function drawChanged(state, open, {zone, busy}) {
  const found = open && !busy && changes(state);
  show($('changed'), found);
  if (!found) return;
  const {head, lines} = changeWords(found, zone, state);
  write($('changed-head'), head);
  const text = JSON.stringify(lines);
  if ($('changed-list').dataset.text === text) return;
  $('changed-list').dataset.text = text;
  $('changed-list').replaceChildren(...lines.flatMap(([what, items]) =>
    [element('dt', what), ...items.map((item) => element('dd', item))]));
}

function drawAction(state, now, open, {busy, live, sure, steady}) {
  const {event} = state;
  show($('propose'), open);
  show($('dock'), open);
  show($('viewing'), open && viewConfirms(state) && event.slots.length && !readersParty(state)?.confirmed);
  enable($('seen'), live && !busy && steady);
  if (!open) return;
  const act = action(state, now);
  write($('send'), busy === 'send' ? 'Sending …' : buttonWords(act));
  $('send').classList.toggle('done', act.why === 'done');
  $('dock').classList.toggle('idle', act.kind === 'nothing');
  enable($('send'), live && !busy && steady && act.kind !== 'nothing');
  write($('hint'), hintWords(act, event, others(state).length > 0));
  const asking = sure && act.unsure && !busy;
  show($('sure'), asking);
  show($('send'), !asking);
  if (!asking) return;
  write($('sure-text'), act.kind === 'confirm'
    ? 'No time is proposed now. When enough have confirmed that, the event is given up.'
    : 'All times are then taken out. The others can propose new ones, or agree that no time suits.');
  write($('yes'), act.kind === 'confirm' ? 'Yes, no time suits' : 'Yes, none of them suit');
  enable($('yes'), live && steady);
}

function drawParties(state) {
  const {event} = state;
  const parties = event.parties.map((party) => [party.address === 'erased' ? 'somebody who was erased' : party.address,
    isReader(state, party.address), party.confirmed]);
  const text = JSON.stringify([parties, event.state]);
  if ($('parties').dataset.text !== text) {
    $('parties').dataset.text = text;
    $('parties').replaceChildren(...parties.map(([address, own, confirmed]) => {
      const item = element('li', '', confirmed ? 'yes' : '');
      item.append(writeAddress(element('span', '', 'address'), address, own ? ' (you)' : ''), ' ',
        element('span', confirmed ? 'confirmed' : event.open ? 'not yet' : 'did not', 'answer'));
      return item;
    }));
  }
  write($('quorum'), quorumWords(event));
}

export const recipients = () =>
  [...$('recipients').children].filter((node) => node.querySelector('input').checked).map((node) => node.dataset.key);

export function drawTell(state, {busy, live, ended}) {
  const parties = others(state);
  show($('tell'), parties.length && !ended);
  keyed($('recipients'), parties, (party) => party.address, (party) => {
    const node = copy('recipient');
    writeAddress(node.querySelector('span'), party.address);
    return node;
  });
  const number = recipients().length;
  write($('tell-send'), number ? `Mail ${count(number, 'person').replace('persons', 'people')}` : 'Nobody is ticked');
  enable($('tell-send'), number && live && !busy);
}

const firstEntries = 50;

export function drawHistory(state, zone, all) {
  const {entries} = state;
  if (!$('history').open) return;
  const from = all ? 0 : Math.max(0, entries.length - firstEntries);
  show($('earlier'), from > 0);
  write($('earlier'), `Show all ${entries.length}`);
  const shown = entries.map((entry, index) => ({entry, before: entries[index - 1]})).slice(from).reverse();
  keyed($('entries'), shown, ({entry}) => `${entry.sequence}`, ({entry}) => {
    const item = element('li');
    const at = Math.floor(entry.at / minute) * minute;
    const time = element('time', `${dayName(at, zone)}, ${clock(at, zone)}`, 'small');
    time.dateTime = entry.createTime;
    item.append(time, element('span'));
    return item;
  }).forEach((node, index) => {
    const {entry, before} = shown[index];
    write(node.lastElementChild, `${entryWords(state, entry, before)}.`);
  });
}

function asksWords(state) {
  const {initiator} = state.event;
  if (isReader(state, initiator)) return 'You ask about';
  return `${who(state, initiator)} asks ${isParty(state) ? 'you ' : ''}about`;
}

// `ended`: nothing more can be done here; `live`: there is a connection.
export function drawEvent(state, now, {busy, live, ended, sure, all, steady}) {
  const {event} = state;
  show($('event'), event);
  if (!event) return;
  const zone = readersZone();
  const zones = {zone, eventsZone: knownZone(event.timeZone)};
  const open = event.open && !ended;
  document.title = `${event.title} - Parley`;
  write($('title'), event.title);
  $('title').classList.toggle('long', event.title.length > 60);
  write($('asks'), asksWords(state));
  write($('state'), state.deleted ? 'Deleted' : states[event.state] ?? event.state);
  $('state').className = event.state.toLowerCase();
  show($('successor'), event.successor && !state.reader.guest && !ended);
  drawAgreed(state, now, zones);
  drawTimes(state, now, open, zones);
  drawChanged(state, open, {zone, busy});
  drawAction(state, now, open, {busy, live, sure, steady});
  drawParties(state);
  drawTell(state, {busy, live, ended});
  drawHistory(state, zone, all);
  write($('expiry'), ended ? '' : expiryWords(state.reader, zone, now));
}

// ---- Proposing

const lengths = [15, 30, 45, 60, 90, 120, 180, 240, 480, 1440];

// The lengths that there are, and the one that the event has; the day of its first slot.
export function fillProposal(state, now, zone) {
  const slots = chosen(state, now);
  const [first = state.event.slots[0]] = slots;
  const usual = first ? (first.end - first.start) / 60_000 : 60;
  const all = [...new Set([...lengths, usual])].sort((one, other) => one - other);
  $('lasts').replaceChildren(...all.map((minutes) => {
    const option = element('option', span(minutes * 60_000));
    option.value = minutes;
    option.selected = minutes === usual;
    return option;
  }));
  if (!$('date').value && first) $('date').value = dateIn(first.start, zone);
  write($('propose-zone'), `In your time zone, ${zoneName(zone)}.`);
}

export function drawProposalError(text, field) {
  write($('propose-error'), text);
  for (const each of [$('date'), $('time'), $('lasts')]) each.setAttribute('aria-invalid', String(each === field));
  field?.focus();
}
