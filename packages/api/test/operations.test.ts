import { eventually } from '@presence/test-services';
import { expect } from 'chai';
import { send } from './answers.js';
import { closeAll, type Running, startWorld } from './running-api.js';
import { token, World } from './world.js';

describe('readiness', () => {
  afterEach(closeAll);

  async function state({ client }: Running): Promise<string> {
    const { status, body } = await client.get('/health/ready');
    return status === 200 ? [body.status, ...(body.missing ?? [])].join(' ') : body.state;
  }

  it('is ok while all is there', async () => {
    const api = await startWorld();
    await eventually(async () => (await state(api)) === 'ok');
  });

  it('waits for broker and database at the start, and then comes by itself', async () => {
    const world = new World();
    world.brokerAway = true;
    world.databaseAway = true;
    const api = await startWorld({}, undefined, world);
    const { status, headers } = await api.client.get('/health/ready');
    expect(status).to.equal(503);
    expect(headers['retry-after']).to.equal('1');
    expect(await state(api)).to.equal('starting');
    world.databaseAway = false;
    await eventually(() => api.lines.some((line) => line.includes('answers again')));
    expect(await state(api)).to.equal('starting');
    world.brokerAway = false;
    expect(await state(api)).to.equal('ok');
  });

  it('is degraded with one dependency away, and unable only when nothing can be done', async () => {
    const api = await startWorld();
    const { world } = api;
    await eventually(async () => (await state(api)) === 'ok');
    world.brokerAway = true;
    expect(await state(api)).to.equal('degraded broker');
    world.databaseAway = true;
    await eventually(async () => (await state(api)) === 'degraded broker database');
    world.accepting = false;
    expect(await state(api)).to.equal('unable');
    world.brokerAway = world.databaseAway = false;
    world.accepting = true;
    await eventually(async () => (await state(api)) === 'ok');
  });

  it('says live from the start', async () => {
    const api = await startWorld();
    expect((await api.client.get('/health/live')).body).to.deep.equal({ status: 'ok' });
  });
});

describe('the operations port', () => {
  let api: Running;
  let port: number;

  beforeEach(async () => {
    api = await startWorld({ opsPort: 0 }, () => ({
      counts: {
        publisher: () => ({ confirmed: 7, refused: 1, unconfirmed: 2 }),
        tokens: () => ({ hits: 3, misses: 4, size: 5 }),
      },
    }));
    port = api.api.opsAddress?.port ?? 0;
  });
  afterEach(closeAll);

  async function metrics(): Promise<string> {
    return (await send(port, 'GET', '/metrics', {})).text;
  }

  it('tells request durations by route template, never by user', async () => {
    const admin = token({ user: api.world.add(4711, { role: 'admin' }) });
    await api.client.get('/api/users/admin/users/4711/online-status', { token: admin });
    await api.client.get('/no/such/4711', { token: admin });
    const text = await metrics();
    expect(text).to.include(
      'presence_http_request_duration_seconds_count{method="GET",route="/api/users/admin/users/{id}/online-status/",status="200"} 1',
    );
    expect(text).to.not.include('4711');
  });

  it('tells events, tokens, lag and who is online', async () => {
    const ahmad = token({ user: api.world.add(1) });
    await api.client.post('/api/users/heartbeat/', { token: ahmad });
    await eventually(async () => /as_of_lag_seconds \d/.test(await metrics()));
    const text = await metrics();
    for (const line of [
      'presence_events_recorded_total 1',
      'presence_events_confirmed_total 7',
      'presence_events_refused_total 1',
      'presence_events_unconfirmed 2',
      'presence_token_cache_hits_total 3',
      'presence_token_cache_misses_total 4',
      'presence_online_users 1',
      'presence_broker_connected 1',
      'presence_database_reachable 1',
    ]) {
      expect(text).to.include(`\n${line}\n`);
    }
    for (const name of text.matchAll(/^# TYPE (\S+)/gm)) expect(name[1]).to.match(/^presence_/);
  });

  it('leaves out who is online while nobody can count', async () => {
    api.world.databaseAway = true;
    expect(await metrics()).to.not.match(/^presence_online_users \d/m);
  });

  it('tells health too, and refuses the rest with problem documents', async () => {
    expect((await send(port, 'GET', '/health/live', {})).status).to.equal(200);
    const other = await send(port, 'GET', '/api/users/me/', {});
    expect(other.status).to.equal(404);
    expect(other.headers['content-type']).to.equal('application/problem+json');
  });
});

describe('the end of the API', () => {
  it('answers the requests under way, takes no more, and says draining', async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { api, client, port, world } = await startWorld({}, ({ reader }) => ({
      reader: {
        ...reader,
        statistics: async () => {
          await held;
          return reader.statistics();
        },
      },
    }));
    const admin = token({ user: world.add(1, { role: 'admin' }) });
    const slow = client.get('/api/users/management/statistics/', { token: admin });
    await eventually(() => world.recorded.length === 1);
    const closed = api.close(5_000);
    const refused = await send(port, 'GET', '/health/ready', {}).catch((error) => error.code);
    expect(refused).to.equal('ECONNREFUSED');
    release();
    const { status, headers } = await slow;
    expect(status).to.equal(200);
    expect(headers.connection).to.equal('close');
    await closed;
  });

  it('waits no longer than it is told for a request that does not end', async () => {
    const { api, client, world } = await startWorld({}, ({ reader }) => ({
      reader: { ...reader, statistics: () => new Promise(() => undefined) },
    }));
    const admin = token({ user: world.add(1, { role: 'admin' }) });
    const lost = client.get('/api/users/management/statistics/', { token: admin }).then(
      () => 'answered',
      () => 'cut off',
    );
    await eventually(() => world.recorded.length === 1);
    const since = Date.now();
    await api.close(100);
    expect(Date.now() - since).to.be.below(1_000);
    expect(await lost).to.equal('cut off');
  });
});
