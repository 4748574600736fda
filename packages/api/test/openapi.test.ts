import { Validator } from '@seriousme/openapi-schema-validator';
import { expect } from 'chai';
import { send } from './answers.js';
import { closeAll, type Running, startWorld } from './running-api.js';

interface Operation {
  readonly security: object[];
  readonly responses: Record<string, { headers?: object; content: Record<string, object> }>;
}

describe('the documentation', () => {
  let api: Running;

  beforeEach(async () => {
    api = await startWorld();
  });
  afterEach(closeAll);

  function operations(): [string, Operation][] {
    return Object.entries(api.client.document.paths).flatMap(([path, methods]) =>
      Object.entries(methods as unknown as Record<string, Operation>).map(
        ([method, operation]): [string, Operation] => [`${method} ${path}`, operation],
      ),
    );
  }

  it('is a valid OpenAPI 3.1 document', async () => {
    const { body } = await api.client.get('/openapi.json');
    expect(body.openapi).to.match(/^3\.1\./);
    const { valid, errors } = await new Validator().validate(body);
    expect(valid, JSON.stringify(errors)).to.equal(true);
  });

  it('names every row of the contract', () => {
    expect(operations().map(([name]) => name)).to.include.members([
      'post /api/users/login/',
      'post /api/users/token/refresh/',
      'post /api/users/logout/',
      'post /api/users/heartbeat/',
      'get /api/users/me/',
      'post /api/users/admin/users/{id}/set-online-status/',
      'get /api/users/admin/users/{id}/online-status/',
      'post /api/users/admin/users/online-status/query/',
      'get /api/users/admin/users/online/',
      'get /api/users/management/list/',
      'get /api/users/management/statistics/',
      'get /health/live',
      'get /health/ready',
      'get /openapi.json',
      'get /docs',
    ]);
  });

  it('describes each answer under its own status, none as default', () => {
    for (const [name, { responses, security }] of operations()) {
      expect(responses, name).to.not.have.property('default');
      expect(responses, name).to.include.keys('200', '400', '401', '431');
      if (security.length > 0) expect(responses, name).to.include.keys('403');
      for (const [status, { content }] of Object.entries(responses)) {
        if (Number(status) >= 400) expect(content).to.have.keys('application/problem+json');
      }
    }
  });

  it('says who needs a token', () => {
    for (const [name, { security }] of operations()) {
      const open = /login|refresh|health|openapi|docs/.test(name);
      expect(security, name).to.deep.equal(open ? [] : [{ bearer: [] }]);
    }
  });

  it('is a page for people whose every part comes from here', async () => {
    const { text, headers } = await api.client.get('/docs');
    expect(headers['content-security-policy']).to.include("script-src 'self'");
    const parts = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path ?? '');
    expect(parts).to.have.length(4);
    for (const part of parts) {
      const told = await send(api.port, 'GET', part, {});
      expect(told.status, part).to.equal(200);
      expect(told.text, part).to.not.equal('');
    }
    const starter = await send(api.port, 'GET', '/docs/start.js', {});
    expect(starter.text).to.include("url: '/openapi.json'");
  });

  it('gives no other file away', async () => {
    for (const name of ['package.json', '..%2Fpackage.json', '%2e%2e', 'constructor']) {
      expect((await api.client.get(`/docs/${name}`)).status, name).to.equal(404);
    }
  });
});
