import { setImmediate as nextTurn } from 'node:timers/promises';
import { eventually } from '@presence/test-services';
import { expect } from 'chai';
import { AggregatorRegistry } from 'prom-client';
import { publisherMetrics } from '../dist/publisher-metrics.js';
import { token } from './access-token.js';
import { send } from './answers.js';
import { closeAll, type Running, startWorld } from './running-api.js';
import { World } from './world.js';

describe('a database that says nothing', () => {
  const credentials = { username: 'ahmad', password: 'ahmad-demo' };
  const login = ({ client }: Running) => client.post('/api/users/login/', { body: credentials });
  afterEach(closeAll);

  it('is given up by who waits for it, not asked while it is silent, and asked again at its first word', async () => {
    const api = await startWorld();
    api.world.add(1, credentials);
    expect((await login(api)).status).to.equal(200);
    api.world.databaseSilent = true;
    const begun = performance.now();
    const first = await login(api);
    expect([first.status, first.headers['retry-after']]).to.deep.equal([503, '1']);
    expect(performance.now() - begun).to.be.within(2_000, 6_000);
    const again = performance.now();
    expect((await login(api)).status).to.equal(503);
    expect(performance.now() - again).to.be.below(500);
    api.world.databaseSilent = false;
    await eventually(async () => (await login(api)).status === 200);
  });
});

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

  it('tells how old reads are, older and older while nobody can say', async () => {
    const world = new World();
    world.asOf = Date.now() - 5_000;
    const api = await startWorld({}, undefined, world);
    const age = async () => {
      const { body } = await api.client.get('/health/ready');
      return body as { as_of?: string; as_of_lag_seconds?: number };
    };
    await eventually(async () => {
      const { as_of, as_of_lag_seconds } = await age();
      expect(as_of).to.equal(new Date(world.asOf).toISOString());
      expect(as_of_lag_seconds).to.be.within(5, 60);
    });
    world.databaseAway = true;
    const first = (await age()).as_of_lag_seconds!;
    await eventually(async () => {
      expect((await age()).as_of_lag_seconds).to.be.above(first + 0.05);
    });
  });

  it('says live from the start', async () => {
    const api = await startWorld();
    expect((await api.client.get('/health/live')).body).to.deep.equal({ status: 'ok' });
  });
});

describe('metrics', () => {
  let api: Running;

  beforeEach(async () => {
    api = await startWorld();
  });
  afterEach(closeAll);

  it('tell request durations by route template, never by user', async () => {
    const admin = token({ user: api.world.add(4711, { role: 'admin' }) });
    await api.client.get('/api/users/admin/users/4711/online-status', { token: admin });
    await api.client.get('/no/such/4711', { token: admin });
    const text = await api.registry.metrics();
    expect(text).to.include(
      'presence_http_request_duration_seconds_count{method="GET",route="/api/users/admin/users/{id}/online-status/",status="200"} 1',
    );
    expect(text).to.include('route="(none)",status="404"');
    expect(text).to.not.include('4711');
  });

  it('tell how far as-of is behind once, where a worker in the same process tells it, too', async () => {
    await eventually(async () => /as_of_lag_seconds \d/.test(await api.registry.metrics()));
    const own = await api.registry.getMetricsAsJSON();
    const both = await AggregatorRegistry.aggregate([own, own]).getMetricsAsJSON();
    const [once, twice] = [own, both].map(
      (metrics) => metrics.find(({ name }) => name === 'presence_as_of_lag_seconds')!.values[0]!,
    );
    expect(twice!.value).to.equal(once!.value);
  });

  it('tell how far as-of is behind, who is online, and what is there', async () => {
    const ahmad = token({ user: api.world.add(1) });
    await api.client.post('/api/users/heartbeat/', { token: ahmad });
    await eventually(async () => /as_of_lag_seconds \d/.test(await api.registry.metrics()));
    const text = await api.registry.metrics();
    for (const line of [
      'presence_online_users 1',
      'presence_broker_connected 1',
      'presence_database_reachable 1',
      'presence_ready 1',
    ]) {
      expect(text).to.include(`\n${line}\n`);
    }
    for (const name of text.matchAll(/^# TYPE (\S+)/gm)) expect(name[1]).to.match(/^presence_/);
  });

  it('leave out who is online while nobody can count', async () => {
    api.world.databaseAway = true;
    expect(await api.registry.metrics()).to.not.match(/^presence_online_users \d/m);
  });

  it('count what the publisher does', async () => {
    const metrics = publisherMetrics(api.registry);
    metrics.recorded?.(3);
    metrics.sent?.(2, 100);
    metrics.confirmed?.(2, 20);
    metrics.failed?.(1, new Error('nacked'));
    metrics.submitted?.('committed', 5);
    const text = await api.registry.metrics();
    for (const line of [
      'presence_events_recorded_total 3',
      'presence_events_sent_total 2',
      'presence_events_confirmed_total 2',
      'presence_events_unconfirmed_total 1',
      'presence_transitions_total{outcome="committed"} 1',
      'presence_publish_confirm_seconds_count 1',
    ]) {
      expect(text).to.include(`\n${line}\n`);
    }
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
    await nextTurn(); // In which what has come is answered.
    const refused = await send(port, 'GET', '/health/ready', {}).catch((error) => error.code);
    expect(refused).to.equal('ECONNREFUSED');
    expect(api.health()).to.deep.include({ unready: true });
    expect(api.health().report).to.include({ status: 'draining' });
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
