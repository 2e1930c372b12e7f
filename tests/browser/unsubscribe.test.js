import assert from 'node:assert/strict';
import {test} from './browser.js';
import {address, call, createEvent, guestLink, january, linkTo, member, site} from './parley.js';

const suppressed = async (address) =>
  ((await call('notification.v1.NotificationService/ListSuppressions', {address})).suppressions ?? []).length;

async function unsubscribeLink() {
  const ada = await member('ada');
  const bea = address('bea');
  const event = await createEvent(ada.key, {title: 'Enough', parties: [bea], slots: [january(4)]});
  await guestLink(event, ada.key, bea);
  return {bea, link: await linkTo(bea, event, {path: 'unsubscribe/'})};
}

for (const javaScriptEnabled of [true, false]) {
  test(`unsubscribing takes a press${javaScriptEnabled ? '' : ', and no JavaScript'}`, async (open) => {
    const {bea, link} = await unsubscribeLink();
    const reader = await open({javaScriptEnabled});
    await reader.page.goto(link);
    await reader.sees('h1', 'Get no more mails?');
    await reader.page.reload();
    assert.equal(await suppressed(bea), 0, 'to open the link changes nothing');
    if (javaScriptEnabled) await reader.checkLook('unsubscribe, ask');
    await reader.press('Get no more mails from Parley');
    await reader.sees('h1', 'You get no more mails');
    assert.equal(await suppressed(bea), 1);
    if (javaScriptEnabled) await reader.checkLook('unsubscribe, done');
  });
}

test('a mail program unsubscribes with one click', async () => {
  const {bea, link} = await unsubscribeLink();
  const response = await fetch(link, {
    method: 'POST', headers: {'content-type': 'application/x-www-form-urlencoded'}, body: 'List-Unsubscribe=One-Click',
  });
  assert.equal(response.status, 200);
  assert.equal(await suppressed(bea), 1);
});

test('a link to unsubscribe that is not whole is told so', async (open) => {
  const {bea, link} = await unsubscribeLink();
  const reader = await open();
  await reader.page.goto(link.slice(0, -2));
  await reader.press('Get no more mails from Parley');
  await reader.sees('h1', 'This link is not valid');
  await reader.checkLook('unsubscribe, invalid');
  assert.equal(await suppressed(bea), 0);
});

test('without JavaScript the page says what it needs', async (open) => {
  const reader = await open({javaScriptEnabled: false});
  await reader.page.goto(`${site}/`);
  await reader.sees('noscript h1', 'This page needs JavaScript');
});
