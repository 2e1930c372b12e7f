// The events of a member, newest first.

import {readEvent} from './event.js';
import {readersZone, sentence} from './times.js';
import {states} from './words.js';
import {$, element, enable, isEnabled, show} from './view.js';

// Follows a link to an event with the key, which is in no link of the page itself.
export function open(link, path, key) {
  link.href = path;
  link.onclick = link.onauxclick = (event) => {
    // The right button has the browser's menu.
    if (event.button > 1) return;
    event.preventDefault();
    const aside = event.button || event.ctrlKey || event.metaKey || event.shiftKey;
    if (aside) window.open(`${path}#${key}`, '_blank', 'noopener');
    else location.assign(`${path}#${key}`);
  };
}

function item(event, key) {
  const node = element('li');
  node.dataset.name = event.name;
  const link = element('a', event.title);
  open(link, `/${event.name}`, key);
  const [first, ...more] = event.slots;
  const times = first ? sentence(first, readersZone()) + (more.length ? ` and ${more.length} more` : '') : 'no times';
  node.append(link, element('span', states[event.state] ?? event.state, `state ${event.state.toLowerCase()}`),
    element('span', times), element('span', `asked by ${event.initiator}`, 'small'));
  return node;
}

// Takes up what has come or changed among the newest; what was fetched before stays. `fetchPage` answers with a page,
// or null where it is wanted no more.
export async function refresh(fetchPage, key) {
  const page = await fetchPage('');
  if (!page) return;
  const {events = []} = page;
  for (const event of events.reverse()) {
    const now = item(readEvent(event), key);
    const before = [...$('events').children].find((node) => node.dataset.name === event.name);
    if (!before) $('events').prepend(now);
    else if (!before.contains(document.activeElement)) before.replaceWith(now);
  }
  show($('list-none'), !$('events').children.length);
}

// Fails as its first call does; later ones tell `failed`.
export async function list(fetchPage, key, failed) {
  let token = '';
  async function page() {
    const fetched = await fetchPage(token);
    if (!fetched) return undefined;
    const {events = [], nextPageToken = ''} = fetched;
    token = nextPageToken;
    const nodes = events.map((event) => item(readEvent(event), key));
    $('events').append(...nodes);
    show($('more'), token);
    return nodes[0];
  }
  $('events').replaceChildren();
  await page();
  show($('list'), true);
  show($('list-none'), !$('events').children.length && !token);
  $('more').onclick = async () => {
    if (!isEnabled($('more'))) return;
    enable($('more'), false);
    try {
      (await page())?.querySelector('a').focus();
    } catch (failure) {
      failed(failure);
    }
    enable($('more'), true);
  };
}
