import { API, AWAY_AFTER } from './config.js';
import { Heartbeats } from './heartbeats.js';
import { Idleness } from './idleness.js';
import { Session } from './session.js';

/** How often an admin's list of who is online is read again, in seconds. */
const REFRESH_LIST = 3;

const at = (id) => document.getElementById(id);
const session = new Session(API);
const idleness = new Idleness({ after: AWAY_AFTER, onChange: () => heartbeats.now() });
const heartbeats = new Heartbeats(session, () => (idleness.idle ? 'away' : 'online'), {
  recorded: showRecorded,
  delayed: (seconds, error) => showTrouble(error, seconds),
  ended: () => showLogin('Your session has ended. Please log in again.'),
});

let nextAt = null;
let recorded = 0;
let listTimer;

at('login').addEventListener('submit', logIn);
at('log-out').addEventListener('click', logOut);
setInterval(showCountdown, 250);
if (session.isOpen) await enter();
else showLogin();

async function logIn(event) {
  event.preventDefault();
  const form = event.target;
  const button = form.querySelector('button');
  button.disabled = true;
  try {
    await session.logIn(form.username.value, form.password.value);
    form.reset();
    await enter();
  } catch (error) {
    at('login-error').textContent = textOf(error);
  } finally {
    button.disabled = false;
  }
}

/** The heartbeat first: nothing else says sooner that the person is here. */
async function enter() {
  recorded = 0;
  heartbeats.start();
  show({ login: false, me: true, 'log-out': true });
  const user = await whoAmI();
  if (user === null) return;
  showName(user);
  if (user.role === 'admin') await showEverybody();
}

/** Asks until there is an answer; `null` once the session is over. */
async function whoAmI() {
  while (session.isOpen) {
    try {
      return (await session.get('me/')).body;
    } catch (error) {
      if (error.status !== 401) await new Promise((done) => setTimeout(done, 2_000));
    }
  }
  return null;
}

async function logOut() {
  leave();
  try {
    await session.logOut();
    showLogin();
  } catch (error) {
    showLogin(`You are logged out here. ${textOf(error)}`);
  }
}

function leave() {
  heartbeats.stop();
  clearTimeout(listTimer);
  nextAt = null;
}

async function showEverybody() {
  show({ everybody: true });
  try {
    const path = 'admin/users/online/?per_page=20';
    const { body, asOf } = await session.get(path, { passive: true });
    at('online-count').textContent = body.online_count;
    at('online-users').replaceChildren(...body.online_users.map(personItem));
    at('as-of').textContent = clock(asOf);
  } catch (error) {
    if (error.status === 401) return;
    at('as-of').textContent += ' (not up to date)';
  }
  clearTimeout(listTimer);
  if (!at('everybody').hidden) listTimer = setTimeout(showEverybody, REFRESH_LIST * 1_000);
}

function personItem({ username, last_seen: lastSeen }) {
  const name = Object.assign(document.createElement('span'), { textContent: username });
  const avatar = Object.assign(document.createElement('span'), { textContent: username[0] });
  avatar.className = 'avatar';
  const seen = Object.assign(document.createElement('time'), { textContent: clock(lastSeen) });
  const item = document.createElement('li');
  item.append(avatar, name, seen);
  return item;
}

function showName({ username }) {
  at('name').textContent = username;
  at('avatar').textContent = username[0];
}

function showRecorded({ online_status: status, last_seen: lastSeen, next_heartbeat_in: next }) {
  recorded += 1;
  nextAt = Date.now() + next * 1_000;
  showStatus(status);
  at('last-seen').textContent = clock(lastSeen);
  at('count').textContent = recorded;
  at('trouble').textContent = '';
}

function showTrouble(error, seconds) {
  nextAt = Date.now() + seconds * 1_000;
  at('trouble').textContent = textOf(error);
}

function showStatus(status) {
  at('status').textContent = status;
  at('status').dataset.status = status;
}

function showCountdown() {
  const seconds = nextAt === null ? null : Math.max(0, Math.ceil((nextAt - Date.now()) / 1_000));
  at('next').textContent = seconds === null ? '–' : `in ${seconds} s`;
}

function showLogin(message = '') {
  leave();
  at('login-error').textContent = message;
  show({ login: true, me: false, everybody: false, 'log-out': false });
  showStatus('');
  at('online-users').replaceChildren();
  at('username').focus();
}

/** @param parts whether each of them, by its id, is to be seen */
function show(parts) {
  for (const [id, visible] of Object.entries(parts)) at(id).hidden = !visible;
}

/** The service's own words where it answered. A browser does not tell why a fetch failed. */
function textOf(error) {
  return error.status === undefined ? `${API} cannot be reached from here.` : error.message;
}

function clock(time) {
  return time === null ? '–' : new Date(time).toLocaleTimeString();
}
