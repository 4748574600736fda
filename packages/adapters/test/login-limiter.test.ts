import { createPool, PostgresLoginLimiter } from '@presence/adapters/postgres';
import { TooManyLogins, Unavailable } from '@presence/domain';
import { expect } from 'chai';
import { onEachDatabase } from './each-database.js';

const LIMITS = { perAccount: 3, perAddress: 5, window: 900_000 };
const HOME = '192.0.2.1';
const ELSEWHERE = '198.51.100.1';

onEachDatabase('PostgresLoginLimiter', (database) => {
  let limiter: PostgresLoginLimiter;

  beforeEach(async () => {
    limiter = new PostgresLoginLimiter(database.pool(), LIMITS);
    await database.pool().query('TRUNCATE login_failures');
  });

  async function fail(times: number, username = 'ahmad', address = HOME): Promise<void> {
    for (let n = 0; n < times; n++) await limiter.failed(username, address);
  }

  describe('lets logins of an address begin', () => {
    /** Until whoever may begin has begun. */
    const settled = () => new Promise(setImmediate);
    /** Ends each login that has begun, oldest first. */
    let ends: (() => void)[];
    const login = (address: string) =>
      limiter.inTurn(address, () => new Promise<void>((end) => ends.push(end)));

    beforeEach(() => {
      ends = [];
    });

    it('while not as many are under way as may fail, and one more for each that ends', async () => {
      const all = Array.from({ length: 6 }, (_, at) => login(`2001:db8:1:2::${at}`)); // Of one household.
      const elsewhere = login(HOME);
      await settled();
      expect(ends, 'five, and one elsewhere').to.have.length(6);
      ends[0]!();
      await settled();
      expect(ends).to.have.length(7);
      for (const end of ends) end();
      await Promise.all([...all, elsewhere]);
      void login('2001:db8:1:2::9');
      await settled();
      expect(ends).to.have.length(8);
    });

    it('one after the other, be it that they fail', async () => {
      const failing = Array.from({ length: 20 }, () =>
        limiter.inTurn(HOME, () => Promise.reject(new Error('no'))).catch(() => 'failed'),
      );
      expect(new Set(await Promise.all(failing))).to.deep.equal(new Set(['failed']));
      expect(await limiter.inTurn(HOME, async () => 'in')).to.equal('in');
    });

    it('in their turn, where no more than a thousand wait', async () => {
      const all = Array.from({ length: 5 + 1_000 }, () => limiter.inTurn(HOME, async () => 'in'));
      const refusal = await limiter.inTurn(HOME, async () => 'in').catch((error: unknown) => error);
      expect(refusal).to.be.instanceOf(TooManyLogins);
      expect(new Set(await Promise.all(all))).to.deep.equal(new Set(['in']));
      expect(await limiter.inTurn(HOME, async () => 'in')).to.equal('in');
    });
  });

  it('blocks an account at an address once it has failed too often there', async () => {
    await fail(2);
    expect(await limiter.blockedFor('ahmad', HOME)).to.equal(0);
    await fail(1);
    expect(await limiter.blockedFor('ahmad', HOME)).to.be.within(890_000, 900_000);
  });

  it('never locks an account for anybody who comes from elsewhere', async () => {
    await fail(100);
    expect(await limiter.blockedFor('ahmad', ELSEWHERE)).to.equal(0);
  });

  it('blocks an address that fails on many accounts', async () => {
    for (const name of ['a', 'b', 'c', 'd']) await fail(1, name);
    expect(await limiter.blockedFor('zahra', HOME)).to.equal(0);
    await fail(1, 'e');
    expect(await limiter.blockedFor('zahra', HOME)).to.be.greaterThan(0);
    expect(await limiter.blockedFor('zahra', ELSEWHERE)).to.equal(0);
  });

  it('takes an address with a port for the same, and all that is no address for one', async () => {
    for (const port of [1, 2, 3]) await fail(1, 'ahmad', `${HOME}:${port}`);
    expect(await limiter.blockedFor('ahmad', HOME)).to.be.greaterThan(0);
    for (const port of [1, 2, 3]) await fail(1, 'ahmad', `[2001:db8::${port}]:${port}`);
    expect(await limiter.blockedFor('ahmad', '2001:db8::9')).to.be.greaterThan(0);
    for (const text of ['a'.repeat(300), '\0', `::ffff:${'1'.repeat(300)}.1.1.1`])
      await fail(1, 'ahmad', text);
    expect(await limiter.blockedFor('ahmad', 'c')).to.be.greaterThan(0);
    expect(await limiter.blockedFor('ahmad', ELSEWHERE)).to.equal(0);
  });

  it('counts failures alone, and forgets those of an account that gets it right', async () => {
    await fail(2);
    await limiter.succeeded('ahmad', HOME);
    await fail(2);
    expect(await limiter.blockedFor('ahmad', HOME)).to.equal(0);
    await limiter.succeeded('ahmad', HOME);
    await fail(1);
    expect(await limiter.blockedFor('ahmad', HOME), 'the address').to.be.greaterThan(0);
  });

  it('does not start the time anew with every failure, and ends with it', async () => {
    const brief = new PostgresLoginLimiter(database.pool(), { ...LIMITS, window: 300 });
    const start = Date.now();
    for (let n = 0; n < 5; n++) await brief.failed('ahmad', HOME);
    while ((await brief.blockedFor('ahmad', HOME)) > 0) {
      expect(Date.now() - start).to.be.lessThan(5_000);
      await brief.failed('ahmad', HOME);
    }
    expect(Date.now() - start).to.be.at.least(300);
  });

  it('counts for all instances together', async () => {
    await fail(3);
    const other = new PostgresLoginLimiter(database.pool(), LIMITS);
    expect(await other.blockedFor('ahmad', HOME)).to.be.greaterThan(0);
  });

  it('takes an IPv6 household for one address, and a mapped IPv4 address for itself', async () => {
    await fail(3, 'ahmad', '2001:db8:0:1:aaaa::1');
    expect(await limiter.blockedFor('ahmad', '2001:0db8::1:bbbb:0:0:2')).to.be.greaterThan(0);
    expect(await limiter.blockedFor('ahmad', '2001:db8:0:2:aaaa::1')).to.equal(0);
    await fail(3, 'ahmad', '::ffff:192.0.2.7');
    expect(await limiter.blockedFor('ahmad', '192.0.2.7')).to.be.greaterThan(0);
    expect(await limiter.blockedFor('ahmad', '::1')).to.equal(0);
  });

  it('copes with any username, and writes none down', async () => {
    const username = `\0${'x'.repeat(5_000)}`;
    await fail(3, username);
    expect(await limiter.blockedFor(username, HOME)).to.be.greaterThan(0);
    const { rows } = await database.pool().query('SELECT key FROM login_failures');
    for (const { key } of rows) expect(key).not.to.contain('x'.repeat(10));
  });

  if (!database.concurrent) return;

  it('is unavailable where its table is locked', async () => {
    const other = await database.pool().connect();
    try {
      await other.query('BEGIN');
      await other.query('LOCK TABLE login_failures');
      for (const ask of ['blockedFor', 'failed'] as const) {
        const error = await limiter[ask]('ahmad', HOME).catch((reason: unknown) => reason);
        expect(error).to.be.instanceOf(Unavailable).with.property('what', 'database');
      }
    } finally {
      await other.query('ROLLBACK');
      other.release();
    }
  });
});

describe('PostgresLoginLimiter without a database', () => {
  it('is unavailable', async () => {
    const pool = createPool({ url: 'postgres://127.0.0.1:1/x', size: 2, applicationName: 'test' });
    const limiter = new PostgresLoginLimiter(pool, LIMITS);
    for (const ask of [
      () => limiter.blockedFor('ahmad', HOME),
      () => limiter.failed('ahmad', HOME),
      () => limiter.succeeded('ahmad', HOME),
    ]) {
      const error = await ask().catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(Unavailable).with.property('what', 'database');
    }
    await pool.end();
  });
});
