-- What the triggers would have written: versions, the owner's numbers in the order of creation, the sort columns.
INSERT INTO todo.users (id, email, password, is_superuser, timezone, is_staff, is_active, created_at, change_no)
SELECT id, email, '!', false, 'UTC', false, true, now(), 0 FROM bench.users;

INSERT INTO todo.access_tokens (id, user_id, kind, name, digest, scopes, created_at, expires_at)
SELECT gen_random_uuid(), id, 'session', 'login', digest, '{tasks:read,tasks:write,account}', now(),
       now() + interval '30 days'
  FROM bench.users;

INSERT INTO todo.tasks (key, id, user_id, title, description, is_completed, completed_at, priority, due_on, due_at,
                        created_at, updated_at, deleted_at, version, change_no, sort_due, sort_title)
SELECT key, id, user_id, title, description, is_completed, completed_at, priority, due_on, due_at,
       created_at, updated_at, deleted_at, 1, place,
       coalesce(due_at, due_on::timestamp AT TIME ZONE 'UTC', timestamptz '9999-12-31 23:59:59.999999+00'),
       left(todo.fold(title), 255)
  FROM bench.tasks;

UPDATE todo.users SET change_no = last.place
  FROM (SELECT user_id, max(place) AS place FROM bench.tasks GROUP BY user_id) AS last
 WHERE users.id = last.user_id;
