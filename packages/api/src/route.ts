import type { Millis } from '@presence/domain';
import type { Static, TObject, TSchema } from 'typebox';
import type { Access } from './access.js';
import type { ApiContext } from './context.js';

/** What a handler answers. A `body` of bytes or text goes out as it is. */
export interface Reply {
  /** 200 by default. */
  readonly status?: number;
  readonly body: unknown;
  /** How far events were processed when the body was read; told as Presence-As-Of. */
  readonly asOf?: Millis | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What the documentation says of one success status. */
export interface Answer {
  readonly description: string;
  /** Of a JSON body; without one `contentType` says what it is. */
  readonly schema?: TSchema;
  readonly contentType?: string;
  readonly example?: unknown;
  /** Whether the answer carries Presence-As-Of. */
  readonly dated?: boolean;
}

export interface Input<P extends TObject, Q extends TObject, B extends TObject> {
  readonly params: Static<P>;
  readonly query: Static<Q>;
  readonly body: Static<B>;
}

interface RouteFacts {
  readonly method: 'GET' | 'POST';
  /** With `{name}` for parameters. */
  readonly path: string;
  readonly operationId: string;
  readonly tag: string;
  readonly access: Access;
  readonly summary: string;
  readonly description?: string;
  /** By success status. */
  readonly answers: Readonly<Record<number, Answer>>;
  /** Problems of its own, beyond those that any request can have. */
  readonly problems?: readonly number[];
  /** Told of a request that was refused before its handler began. */
  readonly onRefused?: (ctx: ApiContext) => void;
}

/** One row of the table that both the router and the OpenAPI document are made from. */
export interface Route extends RouteFacts {
  readonly params?: TObject;
  readonly query?: TObject;
  readonly body?: BodyRule<TObject>;
  readonly handle: (ctx: ApiContext, input: Input<TObject, TObject, TObject>) => Outcome;
}

export interface BodyRule<B extends TObject> {
  readonly schema: B;
  /** Whether a request may come without. */
  readonly optional?: boolean;
  /** Whether JSON may call itself text/plain, as `fetch` does with a body that is a string. */
  readonly asText?: boolean;
}

type Outcome = Reply | Promise<Reply>;

interface TypedRoute<P extends TObject, Q extends TObject, B extends TObject> extends RouteFacts {
  readonly params?: P;
  readonly query?: Q;
  readonly body?: BodyRule<B>;
  readonly handle: (ctx: ApiContext, input: Input<P, Q, B>) => Outcome;
}

/** Lets a handler see the types of its schemas; the router has checked them when it runs. */
export function route<P extends TObject, Q extends TObject, B extends TObject>(
  typed: TypedRoute<P, Q, B>,
): Route {
  return { ...typed, handle: (ctx, input) => typed.handle(ctx, input as Input<P, Q, B>) };
}
