import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { expect } from 'chai';

export interface Call {
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  /** Sent as JSON unless it is text. */
  readonly body?: unknown;
}

export interface Told {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The JSON that the body holds, or `null`. */
  // biome-ignore lint/suspicious/noExplicitAny: the tests say what they expect to be in it
  readonly body: any;
}

interface Operation {
  readonly responses: Record<string, { content?: Record<string, { schema?: object }> }>;
}

export interface OpenApi {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, object> };
}

/**
 * Asks the API, and holds every answer against the OpenAPI document that the API itself serves:
 * its status must be one that the operation names, and its body must fit that status' schema.
 */
export class Client {
  readonly #port: number;
  readonly #document: OpenApi;
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
  readonly #validators = new Map<object, ValidateFunction>();

  constructor(port: number, document: OpenApi) {
    this.#port = port;
    this.#document = document;
    this.#ajv.addSchema(document, 'document');
  }

  static async of(port: number): Promise<Client> {
    const { body } = await send(port, 'GET', '/openapi.json', {});
    return new Client(port, body);
  }

  get document(): OpenApi {
    return this.#document;
  }

  get(path: string, call: Call = {}): Promise<Told> {
    return this.send('GET', path, call);
  }

  post(path: string, call: Call = {}): Promise<Told> {
    return this.send('POST', path, call);
  }

  async send(method: string, path: string, call: Call = {}): Promise<Told> {
    const told = await send(this.#port, method, path, call);
    this.#assertDescribed(method, path, told);
    return told;
  }

  #assertDescribed(method: string, path: string, told: Told): void {
    const name = `${method} ${path} → ${told.status} ${told.text.slice(0, 300)}`;
    expect(told.headers['cache-control'], name).to.equal('no-store');
    const operation = this.#operation(method, path);
    if (told.status >= 400) this.#assertProblem(told, name);
    if (operation === undefined) {
      expect([204, 400, 401, 404, 405, 431, 503], name).to.include(told.status);
      return;
    }
    const response = operation.responses[told.status];
    expect(response, `not described: ${name}`).to.not.equal(undefined);
    if (method !== 'HEAD') this.#assertContent(response?.content ?? {}, told, name);
  }

  #operation(method: string, path: string): Operation | undefined {
    const plain = withoutSlash(path.split(/[?#]/)[0] ?? '');
    const verb = method === 'HEAD' ? 'get' : method.toLowerCase();
    const templates = Object.entries(this.#document.paths);
    const found = templates.find(([template]) => pattern(template).test(plain));
    return found?.[1][verb];
  }

  #assertProblem({ headers, body, status }: Told, name: string): void {
    if (body === null && headers['content-length'] !== undefined && name.startsWith('HEAD')) return;
    expect(headers['content-type'], name).to.equal('application/problem+json');
    expect(body, name).to.include({ type: 'about:blank', status });
    expect(body.title, name).to.be.a('string').that.is.not.empty;
    expect(body.detail, name).to.be.a('string').that.is.not.empty;
    expect(body.stack, name).to.equal(undefined);
  }

  #assertContent(content: Record<string, { schema?: object }>, told: Told, name: string): void {
    const type = (told.headers['content-type'] ?? '').split(';')[0] ?? '';
    const media = content[type] ?? content['*/*'];
    expect(media, `${type} is not described: ${name}`).to.not.equal(undefined);
    const schema = media?.schema;
    if (schema === undefined) return;
    const validate = this.#validator(schema);
    expect(validate(told.body), `${name}: ${JSON.stringify(validate.errors)}`).to.equal(true);
  }

  #validator(schema: object): ValidateFunction {
    const known = this.#validators.get(schema);
    if (known !== undefined) return known;
    const resolved = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"document#/'));
    const made = this.#ajv.compile(resolved);
    this.#validators.set(schema, made);
    return made;
  }
}

export function send(port: number, method: string, path: string, call: Call): Promise<Told> {
  const { token, headers = {}, body } = call;
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const given: Record<string, string | string[]> = {
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(text !== undefined && {
      'content-type': 'application/json',
      'content-length': `${Buffer.byteLength(text)}`,
    }),
    ...headers,
  };
  return new Promise((resolve, reject) => {
    const asked = httpRequest({ port, method, path, headers: given, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        const answered = Buffer.concat(chunks).toString();
        const { statusCode: status = 0, headers: told } = answer;
        resolve({ status, headers: told, text: answered, body: parsed(answered, told) });
      });
    });
    asked.on('error', reject);
    asked.end(text);
  });
}

/** Without what differs between any two answers. */
export function lastingHeaders({ date, ...headers }: IncomingHttpHeaders): IncomingHttpHeaders {
  const id = String(headers['x-request-id']);
  return {
    ...headers,
    'x-request-id': id.length === 36 ? 'made here' : id,
    ...(headers['presence-as-of'] !== undefined && { 'presence-as-of': 'told' }),
  };
}

function parsed(text: string, headers: IncomingHttpHeaders): unknown {
  return /json/.test(headers['content-type'] ?? '') && text !== '' ? JSON.parse(text) : null;
}

function pattern(template: string): RegExp {
  return new RegExp(`^${withoutSlash(template).replace(/\{\w+\}/g, '[^/]+')}$`);
}

function withoutSlash(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}
