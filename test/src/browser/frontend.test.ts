import { expect } from 'chai';
import type { Browser, BrowserContext, Page, Request, Response } from 'playwright-core';
import { eventually } from '../eventually.js';
import { freePorts } from '../free-port.js';
import { Service } from '../service.js';
import { launchChromium } from './chromium.js';
import { Frontend } from './frontend.js';

const HEARTBEAT = '/api/users/heartbeat/';
/** Long enough to be seen online first, short enough to be waited for. */
const AWAY_AFTER = 3;
const TOKEN_SECONDS = 2;

describe('The example page, in a browser, from another origin than the API', function () {
  this.timeout(60_000);
  let service: Service;
  let browser: Browser;
  let page: Page;
  let allowed: Frontend;
  let stranger: Frontend;
  let adminToken: string;
  let ahmad: number;
  const contexts: BrowserContext[] = [];

  before(async () => {
    browser = await launchChromium();
    const [allowedPort, strangerPort] = (await freePorts(2)) as [number, number];
    service = await Service.start({
      api: {
        CORS_ORIGINS: `http://127.0.0.1:${allowedPort}`,
        HEARTBEAT_INTERVAL: '1s',
        OFFLINE_AFTER: '30s',
        ACCESS_TOKEN_TTL: `${TOKEN_SECONDS}s`,
      },
    });
    ahmad = await service.addUser('ahmad', 'ahmad-demo');
    await service.addUser('admin', 'admin-demo', 'admin');
    allowed = await Frontend.start(allowedPort, service.url, AWAY_AFTER);
    stranger = await Frontend.start(strangerPort, service.url, AWAY_AFTER);
  });

  beforeEach(async () => {
    adminToken = await accessToken('admin', 'admin-demo');
  });

  afterEach(async () => {
    for (const context of contexts.splice(0)) await context.close();
  });

  after(async () => {
    await browser?.close();
    await Promise.all([allowed?.stop(), stranger?.stop()]);
    await service?.stop();
  });

  async function accessToken(username: string, password: string): Promise<string> {
    const response = await fetch(`${service.url}/api/users/login/`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ username, password }),
    });
    return ((await response.json()) as { access: string }).access;
  }

  /** What an admin reads of ahmad. */
  async function status(): Promise<string> {
    const path = `/api/users/admin/users/${ahmad}/online-status/`;
    const ask = () =>
      fetch(service.url + path, { headers: { Authorization: `Bearer ${adminToken}` } });
    let response = await ask();
    if (response.status === 401) {
      adminToken = await accessToken('admin', 'admin-demo');
      response = await ask();
    }
    return ((await response.json()) as { online_status: string }).online_status;
  }

  const statusBecomes = (wanted: string) => eventually(async () => (await status()) === wanted);

  async function open(origin: string): Promise<Page> {
    const context = await browser.newContext();
    contexts.push(context);
    const opened = await context.newPage();
    await opened.goto(origin);
    return opened;
  }

  async function logIn(on: Page, username: string, password: string): Promise<void> {
    await on.getByLabel('Username').pressSequentially(username);
    await on.getByLabel('Password').pressSequentially(password);
    await on.getByRole('button', { name: 'Log in' }).click();
  }

  async function heartbeat(on: Page): Promise<Response> {
    return on.waitForResponse(
      (response) => isHeartbeat(response.request()) && response.status() === 200,
    );
  }

  /** Moves the pointer now and then, as a person does. */
  async function stayActive(on: Page, forSeconds: number): Promise<void> {
    for (let step = 0; step < forSeconds * 2; step++) {
      await on.mouse.move(100 + step, 100);
      await on.waitForTimeout(500);
    }
  }

  it('sets a person online by typing a login, and offline by logging out', async () => {
    page = await open(allowed.origin);
    const first = heartbeat(page);
    await logIn(page, 'ahmad', 'ahmad-demo');
    expect(await (await first).json()).to.include({
      message: 'Heartbeat recorded',
      online_status: 'online',
      next_heartbeat_in: 1,
    });
    await page.getByRole('heading', { name: 'ahmad' }).waitFor();
    await page.locator('#status', { hasText: 'online' }).waitFor();
    await statusBecomes('online');

    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByLabel('Username').waitFor();
    expect(await status()).to.equal('offline');
  });

  it('sends the next heartbeat when the service asked for it', async () => {
    page = await open(allowed.origin);
    await logIn(page, 'ahmad', 'ahmad-demo');
    const times: number[] = [];
    for (let beat = 0; beat < 4; beat++) {
      await heartbeat(page);
      times.push(performance.now());
      await page.mouse.move(100 + beat, 100);
    }
    const gaps = times.slice(1).map((time, at) => time - times[at]!);
    for (const gap of gaps) expect(gap).to.be.within(800, 2_000);
  });

  it('asks the browser for leave first: a preflight, which the API answers from its own origin', async () => {
    page = await open(allowed.origin);
    const devtools = await page.context().newCDPSession(page);
    await devtools.send('Network.enable');
    const preflights: string[] = [];
    devtools.on('Network.responseReceived', ({ type, response }) => {
      if (type === 'Preflight') preflights.push(`${response.status} ${response.url}`);
    });
    const recorded = heartbeat(page);
    await logIn(page, 'ahmad', 'ahmad-demo');
    const { 'access-control-allow-origin': allowedOrigin } = await (await recorded).allHeaders();
    expect(allowedOrigin).to.equal(allowed.origin);
    expect(preflights).to.include(`204 ${service.url}${HEARTBEAT}`);
  });

  it('stays logged in beyond the life of an access token', async () => {
    page = await open(allowed.origin);
    await logIn(page, 'ahmad', 'ahmad-demo');
    const refreshed = page.waitForResponse((response) => response.url().endsWith('token/refresh/'));
    await stayActive(page, TOKEN_SECONDS + 2);
    expect((await refreshed).status()).to.equal(200);
    await heartbeat(page);
    await page.reload();
    await heartbeat(page);
    expect(await page.locator('#status').textContent()).to.equal('online');
  });

  it('is away without a sign of the person, and back with the first', async () => {
    page = await open(allowed.origin);
    await logIn(page, 'ahmad', 'ahmad-demo');
    await statusBecomes('online');
    await statusBecomes('away');
    await page.locator('#status', { hasText: 'away' }).waitFor();
    await page.mouse.move(50, 50);
    await page.mouse.move(150, 90);
    await statusBecomes('online');
  });

  it('waits as long as a service that is overloaded asks it to', async () => {
    page = await open(allowed.origin);
    let refused: number | undefined;
    await page.route(`**${HEARTBEAT}`, async (route) => {
      if (refused !== undefined) return route.fallback();
      refused = performance.now();
      await route.fulfill({
        status: 503,
        contentType: 'application/problem+json',
        headers: {
          'Access-Control-Allow-Origin': allowed.origin,
          'Access-Control-Expose-Headers': 'Retry-After',
          // Longer than it takes to be away: not even that news may come sooner.
          'Retry-After': '4',
        },
        body: JSON.stringify({ status: 503, detail: 'The broker is away.' }),
      });
    });
    const recorded = heartbeat(page);
    await logIn(page, 'ahmad', 'ahmad-demo');
    await page.getByRole('alert').filter({ hasText: 'The broker is away.' }).waitFor();
    await recorded;
    expect(performance.now() - refused!).to.be.within(3_950, 6_000);
  });

  it('shows an admin who is online, without being a sign of life of the admin', async () => {
    const admins = await open(allowed.origin);
    await logIn(admins, 'admin', 'admin-demo');
    const list = admins.locator('#online-users');
    await list.getByText('admin').waitFor();
    const asked = await admins.waitForRequest((request) => request.url().includes('users/online/'));
    expect(await asked.headerValue('Presence-Mode')).to.equal('passive');

    page = await open(allowed.origin);
    await logIn(page, 'ahmad', 'ahmad-demo');
    await list.getByText('ahmad').waitFor();
    await page.getByRole('button', { name: 'Log out' }).click();
    await list.getByText('ahmad').waitFor({ state: 'detached' });
  });

  it('tells a wrong password from a service that cannot be reached', async () => {
    page = await open(allowed.origin);
    await logIn(page, 'ahmad', 'not his');
    await page
      .getByRole('alert')
      .filter({ hasText: /username|password/i })
      .waitFor();
    expect(await page.getByRole('button', { name: 'Log out' }).isVisible()).to.equal(false);
  });

  it('runs the snippets of the documents as they are printed', async () => {
    page = await open(allowed.origin);
    const token = await accessToken('ahmad', 'ahmad-demo');
    const answers = await page.evaluate(snippets, { api: service.url, token });
    expect(answers.heartbeat).to.include({
      message: 'Heartbeat recorded',
      online_status: 'online',
    });
    expect(answers.logoutType).to.equal('text/plain;charset=UTF-8');
    expect(answers.logout).to.include({ message: 'Logged out', online_status: 'offline' });
    expect(await status()).to.equal('offline');
  });

  it('gets nothing at all from an origin that CORS_ORIGINS does not name', async () => {
    page = await open(stranger.origin);
    const failed = page.waitForEvent('requestfailed');
    await logIn(page, 'ahmad', 'ahmad-demo');
    expect((await failed).failure()?.errorText).to.equal('net::ERR_FAILED');
    await page.getByRole('alert').filter({ hasText: 'cannot be reached' }).waitFor();
    expect(await status()).to.equal('offline');
  });
});

function isHeartbeat(request: Request): boolean {
  return request.method() === 'POST' && request.url().endsWith(HEARTBEAT);
}

/** Runs in the page. The two requests are the documents' own, but for the API's address. */
async function snippets({ api, token }: { api: string; token: string }) {
  const refreshToken = 'one that the page has lost';
  const heartbeat = await fetch(`${api}/api/users/heartbeat/`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}` },
  });
  const logoutRequest = new Request(`${api}/api/users/logout/`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}` },
    body: JSON.stringify({ refresh: refreshToken }),
  });
  const logoutType = logoutRequest.headers.get('Content-Type');
  const logout = await fetch(logoutRequest);
  return { heartbeat: await heartbeat.json(), logoutType, logout: await logout.json() };
}
