// The events of a member, newest first.

import {call} from './api.js';
import {readEvent} from './event.js';
import {readersZone, sentence} from './times.js';
import {states} from './words.js';
import {$, element, enable, isEnabled, show} from './view.js';

// Follows a link to an event with the key, which is in no link of the page itself.
export function open(link, path, key) {
  link.href = path;
  link.onclick = link.onauxclick = (event) => {
    event.preventDefault();
    const aside = event.button || event.ctrlKey || event.metaKey || event.shiftKey;
    if (aside) window.open(`${path}#${key}`, '_blank', 'noopener');
    else location.assign(`${path}#${key}`);
  };
}

function item(event, key) {
  const node = element('li');
  const link = element('a', event.title);
  open(link, `/${event.name}`, key);
  const [first, ...more] = event.slots;
  const times = first ? sentence(first, readersZone()) + (more.length ? ` and ${more.length} more` : '') : 'no times';
  node.append(link, element('span', states[event.state] ?? event.state, `state ${event.state.toLowerCase()}`),
    element('span', times), element('span', `asked by ${event.initiator}`, 'small'));
  return node;
}

// Fails as its first call does; later ones tell `failed`.
export async function list(key, failed) {
  let token = '';
  async function page() {
    const {events = [], nextPageToken = ''} =
      await call('parley.event.v1.EventService/ListEvents', {pageSize: 20, pageToken: token}, key);
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
