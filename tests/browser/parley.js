// Parley as a backend would call it, and what it leaves behind: mails, the database. For tests against a system that
// deploy/lib/start has started.

import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {readdirSync, readFileSync, statSync} from 'node:fs';
import {join} from 'node:path';

const state = process.env.PARLEY_STATE;
assert(state, 'PARLEY_STATE is not set: run tests/browser/run');
const read = (file) => readFileSync(join(state, file), 'utf8').trim();

export const site = `http://${read('http')}`;
export const staff = read('keys/staff');

export const hour = 3600;
// All times are of 2033: Parley takes none that is over.
export const slot = (startTime, seconds = hour) => ({startTime, duration: `${seconds}s`});
// Any time will do, in the morning of a day in January: the 3rd is a Monday.
export const january = (day) => slot(`2033-01-${String(day).padStart(2, '0')}T09:00:00Z`);

// Asks until the answer is one, for at most half a minute.
export async function until(what, ask) {
  const end = Date.now() + 30_000;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    assert(Date.now() < end, `this never came: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export async function call(method, request, key = staff) {
  const response = await fetch(`${site}/parley.${method}`, {
    method: 'POST',
    headers: {'content-type': 'application/json', ...(key ? {authorization: `Bearer ${key}`} : {})},
    body: JSON.stringify(request),
  });
  const answer = await response.json();
  assert(response.ok, `${method}: ${response.status} ${JSON.stringify(answer)}`);
  return answer;
}

// Addresses are new in each test, so that none depends on another.
export const address = (name) => `${name}.${randomBytes(5).toString('hex')}@example.com`;

export async function member(name) {
  const user = await call('token.v1.TokenService/CreateUser', {user: {address: address(name)}});
  const {key} = await call('token.v1.TokenService/CreateApiKey', {parent: user.name});
  return {address: user.address, key};
}

export const createEvent = (key, event) => call('event.v1.EventService/CreateEvent', {
  event: {...event, parties: event.parties.map((address) => ({address}))},
}, key);

// By staff's list, which writes no entry.
export const getLog = async (event) =>
  (await call('event.v1.EventService/ListLogEntries', {parent: event.name, pageSize: 1000})).logEntries;

export const viewsOf = async (event) => (await getLog(event)).filter((entry) => entry.occurrence === 'VIEW').length;

// The event as it stands: a list writes no entry either.
export async function look(event, key) {
  const {events} = await call('event.v1.EventService/ListEvents', {pageSize: 100}, key);
  return events.find((each) => each.name === event.name);
}

export const update = (event, key, slots, more = {}) => call('event.v1.EventService/UpdateEvent', {
  event: {name: event.name, etag: event.etag, slots, ...more},
  updateMask: ['slots', ...Object.keys(more)].join(','),
}, key);

export const confirm = (event, key) =>
  call('event.v1.EventService/ConfirmEvent', {name: event.name, etag: event.etag}, key);

// ---- Mails

function decoded(mail) {
  return mail.replace(/=\r?\n/g, '').replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
}

export function mailsTo(address) {
  const folder = join(state, 'mail');
  return readdirSync(folder).filter((file) => file.endsWith('.eml'))
    .map((file) => ({file: join(folder, file), at: statSync(join(folder, file)).mtimeMs}))
    .sort((one, other) => one.at - other.at)
    .map(({file}) => readFileSync(file, 'latin1'))
    .filter((mail) => new RegExp(`^To: .*${address.replaceAll('.', '\\.')}`, 'mi').test(mail))
    .map(decoded);
}

const links = (mail, path) => new RegExp(`https?://[^\\s"<>]+/${path}[\\w#./-]+`).exec(mail)?.[0];

// The link in the mail, which leads to where tests are: mails may have another public address.
export async function linkTo(address, event, {after = 0, path = 'events/'} = {}) {
  const mail = await until(`a mail to ${address}`, () => mailsTo(address)[after]);
  const link = links(mail, path);
  assert(link, `no link in the mail to ${address}`);
  return site + new URL(link).pathname + new URL(link).hash;
}

// A guest who was told of the event: the link that was mailed.
export async function guestLink(event, key, address) {
  const after = mailsTo(address).length;
  await call('notification.v1.NotificationService/NotifyParties', {
    event: event.name, recipients: [address], etag: event.etag,
  }, key);
  return linkTo(address, event, {after});
}

export const keyOf = (link) => new URL(link).hash.slice(1);
export const memberLink = (event, key) => `${site}/${event.name}#${key}`;

// ---- The database

const database = () => /^PARLEY_DATABASE_OWNER_URL=(.*)$/m.exec(read('database.env'))[1];

export function sql(statement) {
  return execFileSync('psql', ['-X', '-q', '-t', '-A', '-v', 'ON_ERROR_STOP=1', database(), '-c', statement], {encoding: 'utf8'}).trim();
}
