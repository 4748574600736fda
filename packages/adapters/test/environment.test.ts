import { spawnSync } from 'node:child_process';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  brokerSettings,
  databaseSettings,
  durationText,
  FaultyEnvironment,
  issuerSettings,
  optionalDatabaseSettings,
  presenceSettings,
  readEnvironment,
  type SettingsGroup,
  sessionSettings,
  tokenSettings,
} from '@presence/adapters/environment';
import { expect } from 'chai';
import fc from 'fast-check';

const SECRET = 'correct horse battery staple 0123456789';

type Environment = Record<string, string>;

function read<Settings>(group: SettingsGroup<Settings>, environment: Environment): Settings {
  return readEnvironment(environment, { group }).group as Settings;
}

function faults(groups: Record<string, SettingsGroup<unknown>>, environment: Environment) {
  try {
    readEnvironment(environment, groups);
  } catch (error) {
    if (error instanceof FaultyEnvironment) return error;
    throw error;
  }
  throw new Error('No fault was found.');
}

function faultOf(group: SettingsGroup<unknown>, environment: Environment): string {
  return faults({ group }, environment).message;
}

function pem(key: KeyObject): string {
  const type = key.type === 'private' ? 'pkcs8' : 'spki';
  return String(key.export({ format: 'pem', type }));
}

describe('The environment', () => {
  const folder = mkdtempSync(join(tmpdir(), 'presence-environment-'));
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });

  after(() => rmSync(folder, { recursive: true }));

  it('gives what is not set its default', () => {
    expect(read(presenceSettings, {})).to.deep.equal({
      heartbeatInterval: 30_000,
      offlineAfter: 110_000,
      heartbeatHorizon: 60_000,
      maxClockSkew: 15_000,
      unknownUsers: 'refuse',
    });
  });

  it('takes an empty value for none', () => {
    expect(read(presenceSettings, { OFFLINE_AFTER: '' }).offlineAfter).to.equal(110_000);
    expect(faultOf(databaseSettings, { DATABASE_URL: '' })).to.contain('DATABASE_URL is missing');
  });

  it('reports every fault of every group at once, each with what to do', () => {
    const { faults: found, message } = faults(
      { database: databaseSettings, broker: brokerSettings, presence: presenceSettings },
      {
        DATABASE_POOL_SIZE: 'many',
        AMQP_URL: 'http://broker',
        MAX_CLOCK_SKEW: '15',
        PRESENCE_UNKNOWN_USERS: 'maybe',
        HEARTBEAT_INTERVAL: '60s',
        OFFLINE_AFTER: '100s',
      },
    );
    expect(found.map(({ name }) => name)).to.have.members([
      'DATABASE_URL',
      'DATABASE_POOL_SIZE',
      'AMQP_URL',
      'MAX_CLOCK_SKEW',
      'PRESENCE_UNKNOWN_USERS',
      'OFFLINE_AFTER',
    ]);
    expect(message).to.contain('DATABASE_URL is missing. Set it to where Postgres is');
    expect(message).to.contain('DATABASE_POOL_SIZE is "many". Set it to a whole number.');
    expect(message).to.contain('Say the unit: 15s or 15ms.');
    expect(message).to.contain('It takes refuse, create.');
    expect(message).to.contain('OFFLINE_AFTER is 100s, under twice HEARTBEAT_INTERVAL');
    expect(message).to.contain('Set it to 2m or more.');
  });

  it('ends a process that cannot use it with code 2, and the faults on its standard error', () => {
    const module = JSON.stringify(import.meta.resolve('@presence/adapters/environment'));
    const main = `import { databaseSettings, readEnvironmentOrExit } from ${module};
      readEnvironmentOrExit({}, { databaseSettings });
      console.log('goes on');`;
    const ended = spawnSync(process.execPath, ['--input-type=module', '--eval', main]);
    expect(ended.status).to.equal(2);
    expect(ended.stdout.toString()).to.equal('');
    expect(ended.stderr.toString()).to.contain('DATABASE_URL is missing');
  });

  it('tells a fault once that two groups find', () => {
    const groups = { tokens: tokenSettings, issuer: issuerSettings };
    expect(faults(groups, { JWT_SECRET: SECRET, JWT_ISSUER: ',' }).faults).to.have.length(1);
  });

  it('refuses an OFFLINE_AFTER under twice the interval, and takes exactly twice', () => {
    expect(faultOf(presenceSettings, { OFFLINE_AFTER: '59999ms' })).to.contain('Set it to 1m');
    expect(read(presenceSettings, { OFFLINE_AFTER: '60s' }).offlineAfter).to.equal(60_000);
  });

  it('asks a rule over two variables only where both are right by themselves', () => {
    const { faults: found } = faults(
      { presence: presenceSettings },
      { HEARTBEAT_INTERVAL: 'soon', OFFLINE_AFTER: '1s' },
    );
    expect(found.map(({ name }) => name)).to.deep.equal(['HEARTBEAT_INTERVAL']);
  });

  it('reads every length of time that it writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3_600_000 }), (millis) => {
        const { maxClockSkew } = read(presenceSettings, { MAX_CLOCK_SKEW: durationText(millis) });
        expect(maxClockSkew).to.equal(millis);
      }),
    );
  });

  for (const [text, millis] of [
    ['500ms', 500],
    ['1.5s', 1_500],
    ['30s', 30_000],
    ['15m', 900_000],
    ['1h', 3_600_000],
  ] as const) {
    it(`reads ${text} as ${millis} ms`, () => {
      expect(read(presenceSettings, { MAX_CLOCK_SKEW: text }).maxClockSkew).to.equal(millis);
    });
  }

  for (const text of ['-1s', '1 s', 's', '1w', '1e3s', 'NaN', '2h', 'Infinity']) {
    it(`refuses ${text} for an hour at most`, () => {
      expect(faultOf(presenceSettings, { MAX_CLOCK_SKEW: text })).to.contain('MAX_CLOCK_SKEW is');
    });
  }

  it('lets a process that has a database of its own go without DATABASE_URL', () => {
    expect(read(optionalDatabaseSettings, {}).url).to.equal(undefined);
  });

  it('takes a Postgres behind a socket', () => {
    const url = 'postgres://me:secret@/presence?host=/run/postgresql';
    expect(read(databaseSettings, { DATABASE_URL: url }).url).to.equal(url);
  });

  it('wants to be able to read the file that DATABASE_CA_FILE names', () => {
    const path = join(folder, 'ca.pem');
    writeFileSync(path, 'a certificate');
    const settings = read(optionalDatabaseSettings, { DATABASE_CA_FILE: path });
    expect(settings.caFile).to.equal(path);
    const fault = faultOf(optionalDatabaseSettings, { DATABASE_CA_FILE: join(folder, 'none') });
    expect(fault).to.contain('DATABASE_CA_FILE names a file that cannot be read (ENOENT)');
  });

  it('takes several brokers for one cluster', () => {
    const { urls } = read(brokerSettings, { AMQP_URL: 'amqps://a:5671 , amqps://b:5671/v' });
    expect(urls).to.deep.equal(['amqps://a:5671', 'amqps://b:5671/v']);
  });

  it('takes events from the queue of all, or from another, so many messages at once', () => {
    const AMQP_URL = 'amqp://a';
    const usual = { queue: 'presence.writer', prefetch: 500 };
    expect(read(brokerSettings, { AMQP_URL })).to.include(usual);
    const own = { AMQP_QUEUE: 'presence.writer.2', AMQP_PREFETCH: '100' };
    const expected = { queue: 'presence.writer.2', prefetch: 100 };
    expect(read(brokerSettings, { AMQP_URL, ...own })).to.include(expected);
    for (const AMQP_PREFETCH of ['0', '10001', 'many']) {
      expect(faultOf(brokerSettings, { AMQP_URL, AMQP_PREFETCH })).to.contain('AMQP_PREFETCH');
    }
  });

  describe('of secrets', () => {
    it('reads NAME_FILE, without the line break at its end', () => {
      const path = join(folder, 'secret');
      writeFileSync(path, `${SECRET}\n`);
      const { secret } = read(tokenSettings, { JWT_SECRET_FILE: path });
      expect(secret?.export().toString()).to.equal(SECRET);
    });

    it('refuses a name that is set both ways, and a file that is not there or empty', () => {
      const path = join(folder, 'empty');
      writeFileSync(path, '\n');
      const both = { JWT_SECRET: SECRET, JWT_SECRET_FILE: path };
      expect(faultOf(tokenSettings, both)).to.contain('are both set');
      const gone = faultOf(databaseSettings, { DATABASE_URL_FILE: join(folder, 'gone') });
      expect(gone).to.contain('DATABASE_URL (through DATABASE_URL_FILE) names a file');
      expect(gone).not.to.contain('missing');
      expect(faultOf(databaseSettings, { DATABASE_URL_FILE: path })).to.contain('is empty');
    });

    it('never shows one in a fault', () => {
      const { message } = faults(
        { tokens: tokenSettings, database: databaseSettings, broker: brokerSettings },
        {
          JWT_SECRET: 'hunter2',
          JWT_PRIVATE_KEY: 'hunter2',
          DATABASE_URL: 'mysql://me:hunter2@host',
          AMQP_URL: 'amqp://me:hunter2@[',
        },
      );
      expect(message).not.to.contain('hunter2');
      expect(message).to.contain('JWT_SECRET has 7 bytes and needs at least 32.');
    });

    it('counts the bytes of a secret, not its characters', () => {
      expect(read(tokenSettings, { JWT_SECRET: 'ü'.repeat(16) }).algorithms).to.deep.equal([
        'HS256',
      ]);
    });
  });

  describe('of tokens', () => {
    it('needs something to verify them with', () => {
      expect(faultOf(tokenSettings, {})).to.contain('JWT_SECRET is missing');
    });

    it('fixes the algorithms by the keys where none are named', () => {
      const url = 'https://idp.example/jwks';
      const of = (environment: Environment) => read(tokenSettings, environment).algorithms;
      expect(of({ JWT_SECRET: SECRET })).to.deep.equal(['HS256']);
      expect(of({ JWT_PUBLIC_KEY: pem(rsa.publicKey) })).to.deep.equal(['RS256']);
      expect(of({ JWT_PUBLIC_KEY: pem(ec.publicKey) })).to.deep.equal(['ES256']);
      expect(of({ JWT_JWKS_URL: url })).to.deep.equal(['RS256', 'PS256', 'ES256']);
      expect(of({ JWT_SECRET: SECRET, JWT_JWKS_URL: url })).to.include.members(['HS256', 'RS256']);
    });

    it('refuses an algorithm without a key, a key without an algorithm, and none', () => {
      const secret = { JWT_SECRET: SECRET };
      expect(faultOf(tokenSettings, { ...secret, JWT_ALGORITHMS: 'HS256,RS256' })).to.contain(
        'names RS256, for which there is no key',
      );
      const publicKey = { JWT_PUBLIC_KEY: pem(rsa.publicKey) };
      expect(
        faultOf(tokenSettings, { ...secret, ...publicKey, JWT_ALGORITHMS: 'RS256' }),
      ).to.contain('leaves JWT_SECRET without an algorithm');
      expect(faultOf(tokenSettings, { ...publicKey, JWT_ALGORITHMS: 'HS256' })).to.contain(
        'names HS256',
      );
      expect(faultOf(tokenSettings, { ...secret, JWT_ALGORITHMS: 'none' })).to.contain(
        'JWT_ALGORITHMS says "none"',
      );
    });

    it('can issue them with a private key or the secret, and not with a public key', () => {
      const url = 'https://idp.example/jwks';
      expect(read(tokenSettings, { JWT_SECRET: SECRET }).signing?.algorithm).to.equal('HS256');
      const { signing, publicKey } = read(tokenSettings, {
        JWT_SECRET: SECRET,
        JWT_PRIVATE_KEY: pem(ec.privateKey),
      });
      expect(signing?.algorithm).to.equal('ES256');
      expect(publicKey?.equals(ec.publicKey)).to.equal(true);
      expect(read(tokenSettings, { JWT_PUBLIC_KEY: pem(rsa.publicKey) }).signing).to.equal(null);
      expect(read(tokenSettings, { JWT_JWKS_URL: url }).signing).to.equal(null);
    });

    it('takes \\n for a line break in a key', () => {
      const oneLine = pem(rsa.publicKey).replaceAll('\n', '\\n');
      expect(read(tokenSettings, { JWT_PUBLIC_KEY: oneLine }).publicKey?.type).to.equal('public');
    });

    it('refuses halves of two pairs, a private key for a public one, and short RSA', () => {
      const other = generateKeyPairSync('rsa', { modulusLength: 1024 });
      const mixed = {
        JWT_PUBLIC_KEY: pem(rsa.publicKey),
        JWT_PRIVATE_KEY: pem(ec.privateKey),
      };
      expect(faultOf(tokenSettings, mixed)).to.contain('does not belong to JWT_PUBLIC_KEY');
      const swapped = { JWT_PUBLIC_KEY: pem(rsa.privateKey) };
      expect(faultOf(tokenSettings, swapped)).to.contain('holds a private key');
      const short = { JWT_PUBLIC_KEY: pem(other.publicKey) };
      expect(faultOf(tokenSettings, short)).to.contain('an RSA key of 1024 bits');
    });

    it('refuses a refresh token that dies before its access token', () => {
      const fault = faultOf(sessionSettings, { REFRESH_TOKEN_TTL: '1m' });
      expect(fault).to.contain('REFRESH_TOKEN_TTL is shorter than ACCESS_TOKEN_TTL');
    });
  });
});
