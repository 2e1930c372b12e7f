import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {test} from './browser.js';
import {
  address, createEvent, guestLink, january, keyOf, linkTo, look, member, memberLink, site, slot, until,
} from './parley.js';

// New York asks, Berlin and Kolkata answer. Clocks in Berlin are put forward on 27 March 2033 at 2:00; those in New York
// were on the 13th; those in Kolkata never are.
test('three readers in three zones agree on a time', async (open) => {
  const ada = await member('ada');
  const [bea, chandra] = [address('bea'), address('chandra')];
  const event = await createEvent(ada.key, {
    title: 'Bridge, second look',
    parties: [ada.address, bea, chandra],
    slots: [slot('2033-03-25T13:00:00Z'), slot('2033-03-27T00:30:00Z'), slot('2033-03-28T13:00:00Z')],
    timeZone: 'America/New_York',
  });

  // She tells the others, on the page.
  const york = await (await open({zone: 'America/New_York', locale: 'en-US'})).open(memberLink(event, ada.key));
  await york.seesTimes(['Fri 25 March 2033, 9:00 AM – 10:00 AM', 'Sat 26 March 2033, 8:30 PM – 9:30 PM',
    'Mon 28 March 2033, 9:00 AM – 10:00 AM']);
  await york.sees('#send', 'You have confirmed these 3 times');
  assert.equal(await york.text('#asks'), 'You ask about');
  await york.unfold('Tell the others by mail');
  await york.press('Mail 2 people');
  await york.sees('#status', `A mail to ${bea} and ${chandra} is on its way.`);

  // They open their links.
  const berlin = await (await open({zone: 'Europe/Berlin'})).open(await linkTo(bea, event));
  const kolkata = await (await open({zone: 'Asia/Kolkata'})).open(await linkTo(chandra, event));
  await berlin.sees('#title', 'Bridge, second look');
  await berlin.sees('#asks', `${ada.address} asks you about`);
  await berlin.seesTimes(['Fri 25 March 2033, 14:00 – 15:00', 'Sun 27 March 2033, 01:30 – 03:30',
    'Mon 28 March 2033, 15:00 – 16:00']);
  await kolkata.seesTimes(['Fri 25 March 2033, 18:30 – 19:30', 'Sun 27 March 2033, 06:00 – 07:00',
    'Mon 28 March 2033, 18:30 – 19:30']);
  assert.match(await kolkata.row('18:30').first().innerText(), /09:00 – 10:00 America\/New York \(UTC−04:00\)/);
  assert.match(await kolkata.row('06:00').innerText(), /Sat 26 March 2033, 20:30 – 21:30 America\/New York/);
  await berlin.checkLook('open, a guest');

  // Berlin narrows; the others see it without reloading.
  await berlin.tick('Sun 27 March', false);
  await berlin.press('Send my choice');
  await berlin.sees('#status', 'Your choice is sent: 2 times.');
  for (const reader of [york, kolkata]) {
    await reader.sees('#status', `${bea} narrowed the times to 2.`);
    await reader.comesTo(2, () => reader.$('#rows li').count());
  }
  await york.sees('#send', 'Confirm these 2 times');
  await york.sees('#parties .yes', bea);

  // Kolkata proposes another one in place of both, and tells the others by mail.
  await kolkata.tick('25 March', false);
  await kolkata.tick('28 March', false);
  await kolkata.unfold('Propose another time');
  await kolkata.$('#date').fill('2033-03-30');
  await kolkata.$('#time').fill('19:00');
  await kolkata.$('#lasts').selectOption('90');
  await kolkata.press('Add this time');
  await kolkata.sees('#status', 'Added: Wed 30 March 2033, 19:00 – 20:30.');
  await kolkata.press('Send my choice');
  await kolkata.sees('#status', 'Your choice is sent: 1 time.');
  await kolkata.press('Mail 2 people');
  await kolkata.sees('#status', 'is on its way');
  await linkTo(bea, event, {after: 1});

  await berlin.seesTimes(['Wed 30 March 2033, 15:30 – 17:00']);
  await berlin.sees('#state', 'Open');
  await berlin.press('Confirm this time');
  await berlin.sees('#status', 'You have confirmed 1 time.');
  await york.seesTimes(['Wed 30 March 2033, 9:30 AM – 11:00 AM']);
  await york.press('Confirm this time');

  // Agreed, everywhere.
  for (const reader of [york, berlin, kolkata]) {
    await reader.sees('#state', 'Agreed');
    await reader.sees('#quorum', '3 of 3 confirmed.');
    assert.equal(await reader.$('#dock').isVisible(), false);
  }
  await york.sees('#agreed', /Wed 30 March 2033\s+9:30 AM – 11:00 AM/);
  assert.equal(await york.$('#agreed-there').innerText(), '', 'both zones show the same: one is told');
  await berlin.sees('#agreed', /Wed 30 March 2033\s+15:30 – 17:00\s+Europe\/Berlin \(UTC\+02:00\)\s+09:30 – 11:00 America\/New York \(UTC−04:00\)/);
  await kolkata.sees('#agreed-clock', '19:00 – 20:30');
  assert.equal((await look(event, ada.key)).state, 'AGREED');
  await berlin.checkLook('agreed');

  // What has happened, for everybody to read.
  await kolkata.unfold('What has happened so far');
  const views = (line) => /looked at it/.test(line);
  const history = async () => (await kolkata.$('#entries li span').allInnerTexts()).reverse();
  await kolkata.comesTo([
    `${ada.address} proposed 3 times.`,
    `${ada.address} told ${bea} by mail.`,
    `${ada.address} told you by mail.`,
    `${bea} narrowed the times to 2.`,
    'You took out 2 and proposed 1, which leaves 1.',
    `You told ${ada.address} by mail.`,
    `You told ${bea} by mail.`,
    `${bea} confirmed 1 time.`,
    `${ada.address} confirmed 1 time. It is agreed.`,
  ], async () => (await history()).filter((line) => !views(line)));
  assert.equal((await history()).filter(views).length, 3, 'each has looked at it once');
  await kolkata.checkLook('agreed, with its history');
});

test('the agreed time can be saved as a calendar file', async (open) => {
  const ada = await member('ada');
  const bea = address('bea');
  const title = `Übergabe; Haus 7, Ebene \\2: ${'Brücken und Tunnel '.repeat(8)}`.trim();
  const event = await createEvent(ada.key, {title, parties: [ada.address, bea], slots: [slot('2033-10-30T00:30:00.500Z')]});
  const reader = await (await open()).open(await guestLink(event, ada.key, bea));
  await reader.press('Confirm this time');
  await reader.sees('#state', 'Agreed');
  const waiting = reader.page.waitForEvent('download');
  await reader.$('#calendar').click();
  const download = await waiting;
  assert.equal(download.suggestedFilename(), 'appointment.ics');
  const {revision} = await look(event, ada.key);
  // Debian's own parser of calendars, which only its own Python has.
  const read = JSON.parse(execFileSync('/usr/bin/python3', ['-c', `
import icalendar, json, sys
raw = open(sys.argv[1], "rb").read()
assert raw.endswith(b"\\r\\n")
for line in raw[:-2].split(b"\\r\\n"):
    assert len(line) <= 75 and b"\\n" not in line and b"\\r" not in line, line
    line.decode("utf-8")
assert b"parley_" not in raw and b"http" not in raw
calendar = icalendar.Calendar.from_ical(raw)
[entry] = [part for part in calendar.walk() if part.name == "VEVENT"]
assert not entry.errors and calendar["VERSION"] == "2.0" and calendar["PRODID"] and entry["DTSTAMP"]
time = lambda name: entry[name].dt.strftime("%Y-%m-%dT%H:%M:%S%z")
print(json.dumps({"uid": str(entry["UID"]), "sequence": int(entry["SEQUENCE"]), "status": str(entry["STATUS"]),
  "summary": str(entry["SUMMARY"]), "start": time("DTSTART"), "end": time("DTEND")}))
`, await download.path()], {encoding: 'utf8'}));
  assert.deepEqual(read, {
    uid: event.name.replace('events/', ''),
    sequence: 2 * Number(revision),
    status: 'CONFIRMED',
    summary: title,
    start: '2033-10-30T00:30:00+0000',
    end: '2033-10-30T01:30:01+0000',
  });
});

test('a member opens an event from the list of events, and comes back', async (open) => {
  const ada = await member('ada');
  const first = await createEvent(ada.key, {title: 'First', parties: [address('bea')], slots: []});
  for (let number = 2; number <= 24; number++) {
    await createEvent(ada.key, {title: `Event ${number}`, parties: [address('bea')], slots: [january(4), january(5)]});
  }
  const reader = await (await open()).open(`${site}/#${ada.key}`);
  await reader.sees('#events', 'Event 24');
  assert.equal(await reader.$('#events li').count(), 20);
  const item = await reader.$('#events li').first().innerText();
  assert.match(item, /Event 24\s+Open\s+Tue 4 January 2033, 10:00 – 11:00 and 1 more\s+asked by ada/);
  await reader.checkLook('the list');
  await reader.press('Show more');
  await reader.sees('#events', 'First');
  assert.equal(await reader.$('#more').isVisible(), false);
  await createEvent(ada.key, {title: 'Event 25', parties: [address('bea')], slots: []});
  await reader.page.evaluate(() => dispatchEvent(new Event('focus')));
  await reader.sees('#events', 'Event 25');
  assert.equal(await reader.$('#events li').count(), 25, 'what was fetched before stays, and nothing comes twice');
  await reader.page.getByRole('link', {name: 'First'}).click();
  await reader.sees('#title', 'First');
  assert(reader.page.url() === memberLink(first, ada.key), 'another address');
  await reader.sees('#none', 'No times are proposed at the moment.');
  await reader.checkLook('without times');
  assert.equal(reader.calls.includes('GetEvent'), false, 'nothing was pressed on the event itself');
});

test('in the list, a middle click or one with Ctrl opens one new tab, a right click none', async (open) => {
  const ada = await member('ada');
  await createEvent(ada.key, {title: 'Aside', parties: [address('bea')], slots: [january(4)]});
  const reader = await (await open()).open(`${site}/#${ada.key}`);
  const link = reader.page.getByRole('link', {name: 'Aside'});
  const pages = () => reader.context.pages().length;
  // What opens a tab does so while the click is told.
  await reader.page.evaluate(() => {
    const real = window.open;
    window.opened = 0;
    window.open = (...all) => {
      window.opened += 1;
      return real.apply(window, all);
    };
  });
  const opened = () => reader.page.evaluate(() => window.opened);
  await link.click({button: 'right'});
  assert.equal(await opened(), 0);
  let expected = 1;
  for (const how of [{button: 'middle'}, {modifiers: ['Control']}]) {
    await link.click(how);
    expected += 1;
    await until(`${JSON.stringify(how)} opens a tab`, () => pages() >= expected);
    await reader.context.pages().at(-1).locator('#title', {hasText: 'Aside'}).waitFor();
    assert.equal(pages(), expected, JSON.stringify(how));
    assert.equal(await opened(), expected - 1);
    await reader.sees('#events', 'Aside');
    assert.equal(new URL(reader.page.url()).pathname, '/', 'the list stays');
  }
});

test('a guest\'s key without an event leads to its event', async (open) => {
  const ada = await member('ada');
  const bea = address('bea');
  const event = await createEvent(ada.key, {title: 'Where to', parties: [bea], slots: [january(4)]});
  const link = await guestLink(event, ada.key, bea);
  const reader = await (await open()).open(`${site}/#${keyOf(link)}`);
  await reader.sees('#title', 'Where to');
  assert(reader.page.url() === link, 'another address');
});
