import assert from 'node:assert/strict';
import {test} from './browser.js';
import {
  address, call, createEvent, getLog, guestLink, january, keyOf, linkTo, look, mailsTo, member, memberLink, site, sql,
  until, update,
} from './parley.js';

const slots = [january(4), january(5)];

async function prepare(more) {
  const ada = await member('ada');
  const bea = address('bea');
  const event = await createEvent(ada.key, {title: 'States', parties: [ada.address, bea], slots, ...more});
  return {ada, bea, event, link: await guestLink(event, ada.key, bea)};
}

const token = (link) => call('token.v1.TokenService/GetEmailToken', {name: 'events/-/emailTokens/self'}, keyOf(link));

async function expire(link) {
  const id = (await token(link)).name.split('/').at(-1);
  sql(`update parley.email_tokens set expire_time = now() - interval '1 second' where email_token_id = '${id}'`);
}

test('a link that has expired: a new one can be asked for, and opens the event', async (open) => {
  const {bea, event, link} = await prepare();
  await expire(link);
  const reader = await (await open()).open(link);
  await reader.sees('#notice', 'Your link has expired');
  assert.equal(await reader.$('#event').isVisible(), false);
  await reader.checkLook('expired');
  await reader.press('Mail me a new link');
  await reader.sees('#status', 'If this link was yours, a new link is on its way to its mailbox.');
  assert.equal(await reader.$('#renew').getAttribute('aria-disabled'), 'true');
  const renewed = await linkTo(bea, event, {after: 1});
  assert(renewed !== link, 'the same link');
  // The same page, with another key behind the #.
  await reader.open(renewed);
  await reader.sees('#title', 'States');
  assert.equal(await reader.$('#notice').isVisible(), false);
  await reader.sees('#expiry', /This link is yours alone.* It is good until .* for another \d days\./s);
});

test('a link that expires while it is looked at', async (open) => {
  const {link} = await prepare();
  const reader = await (await open()).open(link);
  await reader.sees('#title', 'States');
  await reader.tick('5 January', false);
  await expire(link);
  await reader.sees('#notice', 'Your link has expired');
  assert.equal(await reader.$('#title').isVisible(), true, 'what was shown stays');
  for (const control of ['#dock', '#propose', '#tell', '#rows input >> nth=0']) {
    assert.equal(await reader.$(control).isVisible(), false, control);
  }
  await reader.checkLook('expired meanwhile');
});

test('a link that was withdrawn: who takes part can ask for another', async (open) => {
  const {ada, bea, event, link} = await prepare();
  const {name} = await token(link);
  await call('token.v1.TokenService/RevokeEmailToken', {name});
  const reader = await (await open()).open(link);
  await reader.sees('#notice', 'This link does not open anything any more');
  await reader.press('Mail me a new link');
  await reader.sees('#ask-error', 'Give your e-mail address.');
  await reader.checkLook('withdrawn');
  await reader.page.getByLabel('Your e-mail address').fill(bea);
  await reader.page.keyboard.press('Enter');
  await reader.sees('#status', 'If this address takes part in the event, a new link is on its way');
  await reader.open(await linkTo(bea, event, {after: 1}));
  await reader.sees('#title', 'States');
  assert.equal(mailsTo(ada.address).length, 0);
});

test('a link that is withdrawn while it is looked at', async (open) => {
  const {link} = await prepare();
  const reader = await (await open()).open(link);
  await reader.sees('#title', 'States');
  await call('token.v1.TokenService/RevokeEmailToken', {name: (await token(link)).name});
  await reader.sees('#notice', 'This link does not open anything any more');
});

test('a link without its key', async (open) => {
  const {event} = await prepare();
  const reader = await (await open()).open(`${site}/${event.name}`);
  await reader.sees('#notice', 'This link is not complete');
  await reader.checkLook('no key');
  assert.deepEqual(reader.calls, []);
});

test('a key that is not whole, and one that no browser could send', async (open) => {
  const {event, link} = await prepare();
  const reader = await (await open()).open(link.slice(0, -1));
  await reader.sees('#notice', 'This link does not open anything any more');
  await reader.page.goto(`${site}/${event.name}#p%20arley_ß`);
  await reader.sees('#notice', 'This key does not open anything');
  await reader.page.goto(`${site}/${event.name}${new URL(link).hash}`);
  await reader.sees('#title', 'States');
});

test('nothing but the address of Parley', async (open) => {
  const reader = await (await open()).open(`${site}/`);
  await reader.sees('#notice', 'To take part, open the link in the mail that you got.');
  await reader.checkLook('home');
});

test('somebody who is no party, and an event that does not exist', async (open) => {
  const {event} = await prepare();
  const stranger = await member('stranger');
  const reader = await (await open()).open(memberLink(event, stranger.key));
  await reader.sees('#notice', 'This key does not open this event');
  await reader.checkLook('not permitted');
  for (const path of ['events/01a20000-0000-7000-8000-000000000000', 'events/none']) {
    await reader.page.goto(`${site}/${path}#${stranger.key}`);
    await reader.sees('#notice', 'You are no party of it, or it does not exist.');
  }
});

test('a guest\'s key with another event leads to the one it is for', async (open) => {
  const {link} = await prepare();
  const other = await prepare({title: 'Another'});
  const reader = await (await open()).open(`${site}/${other.event.name}${new URL(link).hash}`);
  await reader.sees('#notice', 'The link in a mail opens one event');
  await reader.checkLook('another event');
  await reader.page.getByRole('link', {name: 'Open the event that it is for'}).click();
  await reader.sees('#title', 'States');
});

test('an event that is deleted while it is looked at, and after', async (open) => {
  const {ada, event, link} = await prepare();
  const guest = await (await open()).open(link);
  const party = await (await open()).open(memberLink(event, ada.key));
  await guest.sees('#title', 'States');
  await party.sees('#title', 'States');
  await call('event.v1.EventService/DeleteEvent', {name: event.name, etag: event.etag});
  for (const reader of [guest, party]) {
    await reader.sees('#notice', 'The event was deleted');
    await reader.sees('#state', 'Deleted');
    assert.equal(await reader.$('#dock').isVisible(), false);
  }
  await guest.sees('#notice', 'staff@example.com deleted it.');
  await guest.checkLook('deleted');
  const late = await (await open()).open(link);
  await late.sees('#notice', 'This link does not open anything any more');
  const lateParty = await (await open()).open(memberLink(event, ada.key));
  await lateParty.sees('#notice', 'The event was deleted');
  await lateParty.sees('#title', 'States');
});

test('an event that was given up', async (open) => {
  const {ada, event, link} = await prepare();
  const reader = await (await open()).open(link);
  for (const row of ['4 January', '5 January']) await reader.tick(row, false);
  await reader.press('None of these times suit');
  await reader.sees('#sure', 'All times are then taken out.');
  assert.equal(await reader.page.evaluate(() => document.activeElement.id), 'yes');
  await reader.checkLook('a second press');
  await reader.page.keyboard.press('Escape');
  assert.equal(await reader.page.evaluate(() => document.activeElement.id), 'send');
  assert.equal((await getLog(event)).some((entry) => entry.data?.slotsChanged), false, 'one press sends nothing');
  await reader.press('None of these times suit');
  await reader.press('Yes, none of them suit');
  await reader.sees('#status', 'Your answer is sent: no time suits.');
  await reader.sees('#none', 'No times are proposed at the moment.');
  const party = await (await open()).open(memberLink(event, ada.key));
  await party.press('Confirm that no time suits');
  await party.press('Yes, no time suits');
  for (const each of [reader, party]) await each.sees('#state', 'Given up: no time suits');
  await reader.checkLook('given up');
});

test('an event that was replaced: members get to the new one', async (open) => {
  const {ada, event, link} = await prepare();
  const party = await (await open()).open(memberLink(event, ada.key));
  const guest = await (await open()).open(link);
  await guest.sees('#title', 'States');
  await party.tick('5 January', false);
  const successor = await call('event.v1.EventService/ReopenEvent', {name: event.name, etag: event.etag}, ada.key);
  for (const reader of [party, guest]) await reader.sees('#state', 'Replaced by a new event');
  assert.equal(await guest.$('#successor').isVisible(), false);
  assert.equal(await guest.$('#rows input').first().isVisible(), false);
  await guest.checkLook('replaced');
  await party.page.getByRole('link', {name: 'Open the new event'}).click();
  await party.sees('#state', 'Open');
  assert(party.page.url() === memberLink(successor, ada.key), 'another address');
});

test('words for who must confirm', async (open) => {
  const ada = await member('ada');
  const others = [address('bea'), address('chandra'), address('dee')];
  const event = await createEvent(ada.key, {title: 'Most', parties: [ada.address, ...others], slots,
    agreementPolicy: {quorum: 'ALL_BUT_ONE'}});
  const reader = await (await open()).open(memberLink(event, ada.key));
  await reader.sees('#quorum', '1 of 4 has confirmed so far. Agreed when one time is left and 3 of the 4 have confirmed it.');
  const narrowed = await update(event, ada.key, slots.slice(0, 1));
  await reader.sees('#quorum', 'Agreed once 3 of the 4 have confirmed it.');
  assert.deepEqual(await reader.$('#parties .answer').allInnerTexts(), ['confirmed', 'not yet', 'not yet', 'not yet']);
  await update(narrowed, ada.key, []);
  await reader.sees('#quorum', 'Given up once 3 of the 4 have confirmed that no time suits.');
});

test('what is long, and much, fits', async (open) => {
  const ada = await member('ada');
  const name = address('a-long-name');
  const long = `${name}.${'a-long-label-of-a-domain.'.repeat(8)}`.padEnd(254 - 'example'.length, 'x') + 'example';
  assert.equal(long.length, 254);
  const others = Array.from({length: 98}, (_, number) => address(`party-${number}`));
  const event = await createEvent(ada.key, {title: 'W'.repeat(256), parties: [ada.address, long, ...others],
    slots: Array.from({length: 30}, (_, day) => january(1 + day)), timeZone: 'America/Argentina/ComodRivadavia'});
  for (const viewport of [{width: 360, height: 640}, {width: 320, height: 256}]) {
    const reader = await (await open({viewport})).open(memberLink(event, ada.key));
    await reader.sees('#title', 'WWWW');
    await reader.comesTo([30, 100], async () => [await reader.$('#rows li').count(), await reader.$('#parties li').count()]);
    await reader.tick('Sat 1 January', false);
    await reader.unfold('Tell the others by mail');
    await reader.unfold('What has happened so far');
    await reader.unfold('Propose another time');
    // What stays in sight leaves at least half of the window to the rest, also while something is told.
    await reader.$('#date').fill('2033-01-02');
    await reader.$('#time').fill('14:00');
    await reader.press('Add this time');
    await reader.sees('#status', 'Added: Sun 2 January 2033, 14:00 – 15:00.');
    const covering = await reader.page.evaluate(() => [...document.querySelectorAll('body *')]
      .filter((node) => ['fixed', 'sticky'].includes(getComputedStyle(node).position))
      .map((node) => [node.id, node.getBoundingClientRect().height]));
    const height = covering.reduce((sum, [, each]) => sum + each, 0);
    assert(height <= viewport.height / 2, `of ${viewport.height} pixels too many are covered: ${covering}`);
    await reader.checkLook(`long, ${viewport.width} pixels wide`);
  }
});

test('a person who was erased', async (open) => {
  const {bea, event, ada} = await prepare();
  const reader = await (await open()).open(memberLink(event, ada.key));
  await reader.sees('#parties', bea);
  const {users} = await call('token.v1.TokenService/ListUsers', {address: bea});
  await call('token.v1.TokenService/EraseUser', {name: users[0].name});
  await reader.sees('#parties', 'somebody who was erased');
  await reader.sees('#quorum', '1 of 1 has confirmed so far. Agreed when one time is left and the only party has confirmed it.');
  assert.equal(await reader.$('#tell').isVisible(), false);
  // What all who are left have confirmed closes when one of them says so again.
  await update(event, ada.key, slots.slice(0, 1)).catch(() => {});
  await until('closed', async () => (await look(event, ada.key)).state === 'AGREED');
  await reader.sees('#state', 'Agreed');
});
