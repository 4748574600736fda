export const EXAMPLE_TIME = '2024-01-15T10:30:00.000Z';

export const EXAMPLE_USER = {
  id: 1,
  username: 'ahmad',
  email: 'ahmad@example.com',
  role: 'user',
  online_status: 'online',
  last_seen: EXAMPLE_TIME,
  is_online: true,
};

export const EXAMPLE_STATUS = {
  user_id: 1,
  username: 'ahmad',
  online_status: 'online',
  last_seen: EXAMPLE_TIME,
  is_online: true,
};

export const EXAMPLE_TOKENS = {
  access: 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.signature',
  refresh: 'kX2c0a5l9cHQ6eJ4mN8rT1vY3wZ7bD0fG5hK9pS2uAo',
};

export const EXAMPLE_PAGINATION = {
  page: 1,
  per_page: 50,
  total_pages: 1,
  total_count: 1,
  has_next: false,
  has_previous: false,
  next_cursor: null,
};
