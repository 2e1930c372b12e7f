// Makes the two pictures in README.md: an open event as a guest sees it, and one that is agreed. They show no key, since
// they show no address bar.

import {mkdirSync} from 'node:fs';
import {chromium} from 'playwright-core';
import {call, confirm, createEvent, guestLink, slot, update} from './parley.js';

const folder = new URL('screenshots/', import.meta.url).pathname;
mkdirSync(folder, {recursive: true});

// Their own addresses, to be looked at; the users are there from an earlier time.
async function member(address) {
  await call('token.v1.TokenService/CreateUser', {user: {address}}).catch(() => {});
  const {users} = await call('token.v1.TokenService/ListUsers', {address});
  return (await call('token.v1.TokenService/CreateApiKey', {parent: users[0].name})).key;
}

const [ada, bea, chandra] = ['ada@example.com', 'bea@example.com', 'chandra@example.com'];
const adasKey = await member(ada);
const chandrasKey = await member(chandra);
const event = await createEvent(adasKey, {
  title: 'Walk over the new bridge',
  parties: [ada, bea, chandra],
  slots: [slot('2033-03-25T13:00:00Z', 5400), slot('2033-03-28T08:00:00Z', 5400), slot('2033-03-29T14:30:00Z', 5400)],
  timeZone: 'America/New_York',
});
const link = await guestLink(event, adasKey, bea);

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium', args: process.getuid() === 0 ? ['--no-sandbox'] : [],
});

async function picture(name, colorScheme, wanted) {
  const context = await browser.newContext({
    viewport: {width: 390, height: 844}, deviceScaleFactor: 2, timezoneId: 'Europe/Berlin', locale: 'en-GB', colorScheme,
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  await page.goto(link);
  await page.locator(wanted).waitFor();
  await page.screenshot({path: `${folder}${name}.png`});
  await context.close();
}

await picture('open', 'light', '#send');
const narrowed = await update(event, chandrasKey, [slot('2033-03-28T08:00:00Z', 5400)]);
await confirm(narrowed, adasKey);
await confirm(narrowed, link.split('#')[1]);
await picture('agreed', 'dark', '#agreed');
await browser.close();
