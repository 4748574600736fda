import { DEFAULT_PER_PAGE, type Page, type PageRequest } from '@presence/domain';
import { badRequest } from './problem.js';

interface PageQuery {
  readonly page?: number;
  readonly per_page?: number;
  readonly cursor?: string;
}

/** @throws ProblemError 400 where both `page` and `cursor` are given */
export function pageRequest({
  page,
  per_page: perPage = DEFAULT_PER_PAGE,
  cursor,
}: PageQuery): PageRequest {
  if (cursor === undefined) return { perPage, page: page ?? 1 };
  if (page === undefined) return { perPage, cursor };
  const message = 'goes by key and cannot be combined with page';
  throw badRequest('The request is not valid.', [{ field: 'cursor', message }]);
}

export function paginationFields(request: PageRequest, page: Page<unknown>) {
  const byPage = 'page' in request;
  return {
    page: byPage ? request.page : null,
    per_page: request.perPage,
    total_pages: byPage ? Math.ceil(page.totalCount / request.perPage) : null,
    total_count: page.totalCount,
    has_next: page.nextCursor !== null,
    has_previous: page.hasPrevious,
    next_cursor: page.nextCursor,
  };
}
