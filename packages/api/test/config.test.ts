import { readEnvironment } from '@presence/adapters/environment';
import { httpSettings } from '@presence/api';
import { expect } from 'chai';

describe("the API's configuration", () => {
  const read = (environment: Record<string, string>) =>
    readEnvironment(environment, { http: httpSettings }).http;

  it('has the defaults of the contract', () => {
    expect(read({})).to.deep.equal({
      port: 8000,
      host: '0.0.0.0',
      opsPort: 9464,
      corsOrigins: [],
      trustedProxies: 0,
      keepAliveTimeout: 75_000,
      adminAccess: 'admin',
      loginLimits: { perAccount: 10, perAddress: 50, window: 900_000 },
    });
  });

  it('is read from the environment', () => {
    const settings = read({
      CORS_ORIGINS: 'https://a.example.com, http://localhost:3000, capacitor://localhost',
      TRUST_PROXY: '2',
      LOGIN_LIMIT: '5,20,1h',
      PRESENCE_ADMIN_ACCESS: 'read',
    });
    expect(settings.corsOrigins).to.deep.equal([
      'https://a.example.com',
      'http://localhost:3000',
      'capacitor://localhost',
    ]);
    expect(settings).to.include({ trustedProxies: 2, adminAccess: 'read' });
    expect(settings.loginLimits).to.deep.equal({
      perAccount: 5,
      perAddress: 20,
      window: 3_600_000,
    });
  });

  it('takes no origin that no browser would send', () => {
    for (const origin of [
      'https://a.example.com/',
      'HTTPS://a.example.com',
      'a.example.com:80',
      'data:x',
      'capacitor://localhost/',
      'null',
    ]) {
      expect(() => read({ CORS_ORIGINS: origin }), origin).to.throw('CORS_ORIGINS');
    }
  });

  it('names every fault at once', () => {
    const faulty = {
      CORS_ORIGINS: 'https://a.example.com/path',
      TRUST_PROXY: 'true',
      LOGIN_LIMIT: '10',
      PRESENCE_ADMIN_ACCESS: 'all',
      KEEP_ALIVE_TIMEOUT: '75',
      OPS_PORT: '8000',
    };
    expect(() => read(faulty))
      .to.throw()
      .with.property('message')
      .that.satisfies((text: string) => Object.keys(faulty).every((name) => text.includes(name)));
  });
});
