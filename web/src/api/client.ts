import createClient, { type Middleware } from 'openapi-fetch';
import type { components, paths } from './schema';

/** The objects of the API, by the names that its document gives them. */
export type Schemas = components['schemas'];

/**
 * An answer that is a problem (RFC 9457), or that there was none. Its texts come
 * from the server: show code, message, hint and fields as they are.
 */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string | undefined;
  readonly requestId: string | undefined;
  readonly fields: readonly { location: string; message: string }[];

  constructor(problem: Partial<Schemas['Problem']> & { status: number }) {
    super(problem.detail ?? problem.title ?? `the server answered ${problem.status}`);
    this.name = 'ApiError';
    this.status = problem.status;
    this.code = problem.code ?? 'unknown';
    this.hint = problem.hint;
    this.requestId = problem.request_id;
    this.fields = (problem.errors ?? []).map((e) => ({ location: e.location ?? '', message: e.message }));
  }
}

/** What the shown error of anything thrown is. */
export function asApiError(cause: unknown): ApiError {
  if (cause instanceof ApiError) return cause;
  return new ApiError({ status: 0, code: 'unexpected', detail: cause instanceof Error ? cause.message : String(cause) });
}

let csrfToken = '';

/** Tells the client the token that this session's changes bring. */
export function setCsrfToken(token: string | undefined): void {
  csrfToken = token ?? '';
}

let whenSignedOut: () => void = () => {};

/** Sets what happens when an answer says that nobody is signed in any more; several may say it of one session. */
export function onSignedOut(handler: () => void): void {
  whenSignedOut = handler;
}

/** Tells that an answer said that nobody is signed in any more. */
export function signedOut(): void {
  whenSignedOut();
}

/** A text that nobody guesses and that repeats never; works without TLS, too. */
export function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');
}

const session: Middleware = {
  onRequest({ request }) {
    if (request.method === 'GET' || request.method === 'HEAD') return undefined;
    if (csrfToken) request.headers.set('X-Csrf-Token', csrfToken);
    if (request.method === 'POST' && !request.headers.has('Idempotency-Key')) request.headers.set('Idempotency-Key', randomKey());
    return request;
  },
  async onResponse({ request, response }) {
    if (response.ok || response.status === 304) return undefined;
    const error = await problemOf(response);
    const path = new URL(request.url).pathname;
    if (error.status === 401 && !path.startsWith('/api/v1/auth')) signedOut();
    throw error;
  },
  onError({ error }) {
    if (error instanceof DOMException && error.name === 'AbortError') return undefined;
    return new ApiError({ status: 0, code: 'no_answer', detail: 'the server did not answer', hint: 'is it running, and is the network up? this page tries again by itself' });
  },
};

/** The problem that an answer holds, or what its status says where it holds none. */
export async function problemOf(response: Response): Promise<ApiError> {
  try {
    const body = (await response.json()) as Partial<Schemas['Problem']>;
    return new ApiError({ ...body, status: response.status });
  } catch {
    return new ApiError({ status: response.status, title: response.statusText });
  }
}

/** Lists are separated by commas; labels, which may hold one, are given several times. */
function querySerializer(query: object): string {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(query) as [string, string | number | boolean | string[] | null | undefined][]) {
    if (value === undefined || value === null || value === '') continue;
    if (!Array.isArray(value)) out.append(name, String(value));
    else if (name === 'label') value.forEach((v) => out.append(name, String(v)));
    else if (value.length > 0) out.append(name, value.join(','));
  }
  return out.toString();
}

/** Calls operations of the API; answers that are problems are thrown as ApiError. */
export const api = createClient<paths>({ baseUrl: '', querySerializer });
api.use(session);

/**
 * The body of an answer: `const page = await body(api.GET('/api/v1/syncs', …))`.
 * Problems were thrown before it comes here; answers without a body are undefined.
 */
export async function body<T>(answer: Promise<{ data?: T; response: Response }>): Promise<T> {
  return (await answer).data as T;
}

/** As body, with the ETag that a later change brings as If-Match. */
export async function bodyAndTag<T>(answer: Promise<{ data?: T; response: Response }>): Promise<{ value: T; etag: string }> {
  const { data, response } = await answer;
  return { value: data as T, etag: response.headers.get('ETag') ?? '' };
}
