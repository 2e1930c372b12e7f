// Readers: browsers in their own zones. Of each it is checked, always, that nothing breaks the content security policy,
// that nothing goes to anybody else, and that the key stays in the link.

import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {test as nodeTest} from 'node:test';
import {chromium} from 'playwright-core';
import {keyOf, site, until} from './parley.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let browser;
let users = 0;

async function launched() {
  browser ??= chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: process.getuid() === 0 ? ['--no-sandbox'] : [],
  });
  return browser;
}

// What is reported of a test has no key: of an error nothing but keys is taken out, wherever they are in it.
export function scrub(value, seen = new Map()) {
  if (typeof value === 'string') return value.replace(/parley_(guest|api|unsubscribe)_[\w-]+/g, 'parley_$1_...');
  if (value === null || typeof value !== 'object') return value;
  if (seen.has(value)) return seen.get(value);
  const copied = Array.isArray(value) ? [] : Object.getPrototypeOf(value) === Object.prototype ? {} : value;
  seen.set(value, copied);
  // Of other classes errors alone are changed, in place.
  if (copied === value && !(value instanceof Error)) return value;
  for (const name of value instanceof Error ? Object.getOwnPropertyNames(value) : Object.keys(value)) {
    Reflect.set(copied, scrub(name), scrub(value[name], seen));
  }
  return copied;
}

export async function withoutKeys(body) {
  try {
    await body();
  } catch (error) {
    throw scrub(error);
  }
}

// A test with readers: open({zone, ...}) makes one. They are looked at, and closed, when the test is over.
export function test(name, body) {
  nodeTest(name, {timeout: 120_000}, () => withoutKeys(async () => {
    const readers = [];
    users += 1;
    try {
      await body(async (options) => {
        const reader = new Reader(await launched(), options);
        readers.push(reader);
        await reader.ready();
        return reader;
      });
      for (const reader of readers) await reader.checkLeaks();
      for (const reader of readers) reader.checkFindings();
    } finally {
      for (const reader of readers) await reader.context?.close();
      users -= 1;
      // Other tests of this file are under way, or come.
      setTimeout(async () => {
        if (users || !browser) return;
        const last = browser;
        browser = undefined;
        await (await last).close();
      }, 500);
    }
  }));
}

export class Reader {
  constructor(browser, {zone = 'Europe/Berlin', ...options} = {}) {
    this.browser = browser;
    this.options = {timezoneId: zone, locale: 'en-GB', viewport: {width: 360, height: 640}, ...options};
    this.findings = [];
    this.keys = new Set();
    this.calls = []; // the methods that were called, in their order
  }

  async ready() {
    this.context = await this.browser.newContext(this.options);
    this.page = await this.context.newPage();
    this.page.setDefaultTimeout(30_000);
    // Told through the console, which is looked at.
    await this.context.addInitScript(() => {
      addEventListener('securitypolicyviolation', (event) => console.error(`violation: ${event.violatedDirective}`));
    });
    this.context.on('console', (message) => {
      const text = message.text();
      this.leak('console', text);
      // The browser itself tells of answers that are errors.
      const answer = /^Failed to load resource: (the server responded with|net::ERR_)/.test(text);
      if (message.type() === 'error' && !answer) this.findings.push(`console: ${text}`);
    });
    this.context.on('weberror', (error) => this.findings.push(`thrown: ${error.error()}`));
    this.context.on('request', (request) => {
      const url = request.url();
      this.leak('url', url);
      if (!url.startsWith(`${site}/`) && !url.startsWith(`blob:${site}/`)) this.findings.push(`asked elsewhere: ${url}`);
      if (request.method() === 'POST') this.calls.push(new URL(url).pathname.split('/').at(-1));
    });
  }

  leak(where, text) {
    for (const key of this.keys) if (text?.includes(key)) this.findings.push(`the key is in the ${where}`);
  }

  async open(link) {
    if (keyOf(link)) this.keys.add(keyOf(link));
    await this.page.goto(link);
    return this;
  }

  async checkLeaks() {
    if (this.page.isClosed()) return;
    const {storage, ...texts} = await this.page.evaluate(async () => ({
      storage: localStorage.length + sessionStorage.length + (await indexedDB.databases()).length +
        (await caches?.keys().catch(() => []) ?? []).length,
      cookie: document.cookie,
      title: document.title,
      history: JSON.stringify(history.state),
      document: document.documentElement.outerHTML,
      fields: [...document.querySelectorAll('input')].map((input) => input.value).join(),
    }));
    if (storage) this.findings.push('something is stored');
    if ((await this.context.cookies()).length) this.findings.push('there is a cookie');
    for (const [where, text] of Object.entries(texts)) this.leak(where, text);
  }

  checkFindings() {
    assert.deepEqual(this.findings, []);
  }

  // ---- What is there

  $(selector) { return this.page.locator(selector); }

  text(selector) { return this.$(selector).innerText(); }

  // Waits until the text is there, and is like that.
  async sees(selector, pattern) {
    let text;
    await until(`${pattern} in ${selector}; there is: ${text}`, async () => {
      text = await this.$(selector).first().innerText({timeout: 100}).catch(() => '');
      return typeof pattern === 'string' ? text.includes(pattern) : pattern.test(text);
    }).catch((error) => { throw new Error(`${pattern} in ${selector}: there is "${text}"`, {cause: error}); });
  }

  // Waits until what `ask` gives is like that.
  async comesTo(expected, ask) {
    let found;
    await until(JSON.stringify(expected), async () => {
      found = await ask();
      return JSON.stringify(found) === JSON.stringify(expected);
    }).catch(() => assert.deepEqual(found, expected));
  }

  // The times in the list, in the reader's zone.
  seesTimes(expected) {
    return this.comesTo(expected, () => this.$('#rows li').evaluateAll((rows) =>
      rows.map((row) => `${row.querySelector('.day').innerText}, ${row.querySelector('.clock').innerText}`)));
  }

  // What is said of each time.
  seesMarks(expected) { return this.comesTo(expected, () => this.$('#rows .mark').allInnerTexts()); }

  row(text) { return this.$('#rows li').filter({hasText: text}); }

  tick(text, on) { return this.row(text).locator('input').setChecked(on); }

  press(name) { return this.page.getByRole('button', {name, exact: true}).click(); }

  unfold(name) { return this.page.locator('summary', {hasText: name}).click(); }

  // Into a folder, to be looked at, where PARLEY_PICTURES names one.
  async picture(what) {
    const folder = process.env.PARLEY_PICTURES;
    if (folder) await this.page.screenshot({path: `${folder}/${what}.png`, fullPage: true});
  }

  // No findings of axe in either colour scheme, and nothing wider than 360 pixels.
  async checkLook(what) {
    await this.checkLeaks();
    for (const colorScheme of ['light', 'dark']) {
      await this.page.emulateMedia({colorScheme, reducedMotion: 'reduce'});
      await this.page.evaluate(axe);
      await this.picture(`${what}, ${colorScheme}`);
      const {violations, passes} = await this.page.evaluate(() => window.axe.run());
      assert(passes.some(({id}) => id === 'color-contrast'), 'axe has looked at nothing');
      for (const {id, nodes} of violations) {
        this.findings.push(`${what}, ${colorScheme}: axe: ${id}: ${nodes.map((node) => node.html).join(' ')}`);
      }
    }
    await this.page.emulateMedia({colorScheme: 'light', reducedMotion: 'reduce'});
    const width = await this.page.evaluate(() => document.documentElement.scrollWidth);
    if (width > this.options.viewport.width) this.findings.push(`${what}: ${width} pixels wide`);
    const small = await this.page.evaluate(() =>
      [...document.querySelectorAll('button, .button, summary, select, input:not([type=checkbox]), #events a, label:has(input)')]
        .filter((node) => node.getClientRects().length && node.getBoundingClientRect().height < 44)
        .map((node) => node.id || node.textContent));
    if (small.length) this.findings.push(`${what}: lower than 44 pixels: ${small}`);
  }
}
