import assert from 'node:assert/strict';
import {test} from './browser.js';
import {
  address, createEvent, getLog, guestLink, january, look, member, memberLink, site, staff, until, viewsOf,
} from './parley.js';

const slots = [january(4)];

async function prepare(policy) {
  const ada = await member('ada');
  const bea = address('bea');
  const event = await createEvent(ada.key, {title: 'Scanned', parties: [ada.address, bea], slots, agreementPolicy: policy});
  return {ada, bea, event, link: await guestLink(event, ada.key, bea)};
}

test('fetching the page changes nothing, and is the same for everybody', async () => {
  const {event} = await prepare();
  const before = await getLog(event);
  const [one, other] = await Promise.all([`${site}/${event.name}`, `${site}/`].map((url) => fetch(url)));
  assert.equal(await one.text(), await other.text());
  assert.match(one.headers.get('content-security-policy'), /default-src 'none'/);
  assert.equal(one.headers.get('referrer-policy'), 'no-referrer');
  const again = await fetch(`${site}/`, {headers: {'if-none-match': one.headers.get('etag')}});
  assert.equal(again.status, 304);
  assert.deepEqual(await getLog(event), before);
});

test('a scanner that runs scripts writes nothing; a reader is told of once', async (open) => {
  const {event, link} = await prepare();
  const before = await getLog(event);
  const reader = await (await open()).open(link);
  await reader.sees('#title', 'Scanned');
  // What a script makes up is no gesture.
  await reader.page.evaluate(() => {
    for (const type of ['pointerdown', 'keydown', 'wheel', 'touchstart']) {
      document.body.dispatchEvent(new Event(type, {bubbles: true}));
    }
    document.querySelector('#history summary').click();
    scrollTo(0, 500);
  });
  await reader.sees('#entries', 'by mail');
  assert.deepEqual(await getLog(event), before);
  assert.deepEqual(reader.calls.filter((method) => method === 'GetEvent'), []);

  // Gestures while the first one is told, and after.
  let answer;
  await reader.page.route('**/GetEvent', async (route) => {
    await new Promise((resolve) => { answer = resolve; });
    await route.continue();
  });
  await reader.page.mouse.click(5, 5);
  await reader.page.mouse.click(5, 6);
  await until('GetEvent', () => answer);
  answer();
  await reader.sees('#entries', 'You looked at it.');
  await reader.page.keyboard.press('Tab');
  await reader.page.mouse.wheel(0, 100);
  assert.equal(await viewsOf(event), 1);
  assert.deepEqual(reader.calls.filter((method) => method === 'GetEvent'), ['GetEvent']);
  await reader.checkLook('with the history');
});

test('a gesture that comes before the event is there counts', async (open) => {
  const {event, link} = await prepare();
  const reader = await open();
  let go;
  await reader.page.route('**/WatchEvent', async (route) => {
    await new Promise((resolve) => { go = resolve; });
    await route.continue();
  });
  await reader.open(link);
  await reader.sees('#loading', 'One moment');
  await reader.page.keyboard.press('Tab');
  await until('the watch', () => go);
  go();
  await reader.sees('#title', 'Scanned');
  await until('a VIEW entry', async () => await viewsOf(event) === 1);
});

test('where to look is to confirm, nothing is told but by a labelled press', async (open) => {
  const {ada, bea, event, link} = await prepare({confirmedBy: 'VIEW'});
  const reader = await (await open()).open(link);
  await reader.sees('#viewing', 'In this event, whoever has seen the times has thereby confirmed them.');
  await reader.page.mouse.click(5, 5);
  await reader.page.keyboard.press('Tab');
  await reader.unfold('What has happened so far');
  await reader.tick('4 January', false);
  await reader.tick('4 January', true);
  assert.deepEqual(reader.calls.filter((method) => method === 'GetEvent'), [], 'nor is a call under way');
  assert.equal(await viewsOf(event), 0);
  assert.deepEqual((await look(event, ada.key)).parties.find((party) => party.address === bea), {address: bea});
  await reader.checkLook('confirmed by view');

  await reader.press('I have seen these times');
  await reader.sees('#state', 'Agreed');
  assert.equal((await look(event, ada.key)).state, 'AGREED');
  await reader.sees('#entries', 'You confirmed 1 time. It is agreed.');
});

test('where to look is to confirm, a closed event and staff are told by the first gesture', async (open) => {
  const {event, link} = await prepare({confirmedBy: 'VIEW'});
  const clerk = await (await open()).open(memberLink(event, staff));
  await clerk.sees('#title', 'Scanned');
  await clerk.page.mouse.click(5, 5);
  await until('a VIEW entry by staff', async () => await viewsOf(event) === 1);
  assert.equal((await look(event, staff)).state, 'OPEN');
  const guest = await (await open()).open(link);
  await guest.sees('#title', 'Scanned');
  await guest.press('Confirm this time');
  await guest.sees('#state', 'Agreed');
  const later = await (await open()).open(link);
  await later.sees('#state', 'Agreed');
  const before = await viewsOf(event);
  await later.page.mouse.click(5, 5);
  await until('a VIEW entry', async () => await viewsOf(event) === before + 1);
});

test('staff who are no party may look and change, but not confirm', async (open) => {
  const {event} = await prepare();
  const reader = await (await open()).open(memberLink(event, staff));
  await reader.sees('#hint', 'You are staff and no party of this event: you can look and change the times, but not confirm them.');
  assert.equal(await reader.$('#send').getAttribute('aria-disabled'), 'true');
  await reader.$('#send').click({force: true});
  await reader.unfold('Propose another time');
  await reader.$('#date').fill('2033-01-05');
  await reader.$('#time').fill('10:00');
  await reader.press('Add this time');
  await reader.press('Send my choice');
  await reader.sees('#status', 'Your choice is sent: 2 times.');
  assert.deepEqual((await look(event, staff)).parties.filter((party) => party.confirmed), []);
  assert.equal(reader.calls.includes('ConfirmEvent'), false);
  await reader.checkLook('staff');
});
