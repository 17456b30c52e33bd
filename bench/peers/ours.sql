-- What the triggers would have written: versions, the owner's numbers in the order of creation, places, sort columns.
-- `bench.members` says what the tasks have besides: nothing; `full`, five labels and two reminders on each; `lists`, four
-- lists of each owner, labels, and groups of 25 of which the first is the parent, where it is open and not deleted.
CREATE TEMPORARY TABLE mode AS
SELECT coalesce(current_setting('bench.members', true), '') AS name;
CREATE TEMPORARY TABLE places AS
SELECT place, todo.position_at(place - 1) AS position
  FROM generate_series(1, (SELECT coalesce(max(place), 0) FROM bench.tasks)) AS place;
ANALYZE places;

INSERT INTO todo.users (id, email, password, is_superuser, timezone, is_staff, is_active, created_at, change_no)
SELECT id, email, '!', false, 'UTC', false, true, now(), 0 FROM bench.users;

INSERT INTO todo.access_tokens (id, user_id, kind, name, digest, scopes, created_at, expires_at)
SELECT gen_random_uuid(), id, 'session', 'login', digest, '{tasks:read,tasks:write,account}', now(),
       now() + interval '30 days'
  FROM bench.users;

INSERT INTO todo.lists (key, id, user_id, name, position, is_archived, change_no)
SELECT gen_random_uuid(), md5(concat(users.id, ' ', place))::uuid, users.id, 'List ' || place, todo.position_at(place),
       false, 0
  FROM mode, bench.users, generate_series(0, 3) AS place WHERE mode.name = 'lists';

INSERT INTO todo.tasks (key, id, user_id, title, description, is_completed, completed_at, priority, due_on, due_at,
                        created_at, updated_at, deleted_at, version, change_no, sort_due, sort_title, position, list_id,
                        parent_id, labels, reminders)
SELECT task.key, task.id, task.user_id, task.title, task.description, task.is_completed, task.completed_at, task.priority,
       task.due_on, task.due_at, task.created_at, task.updated_at, task.deleted_at, 1, task.place,
       coalesce(task.due_at, task.due_on::timestamp AT TIME ZONE 'UTC', timestamptz '9999-12-31 23:59:59.999999+00'),
       left(todo.fold(task.title), 255), places.position,
       CASE WHEN mode.name = 'lists' THEN md5(concat(task.user_id, ' ', (task.place - 1) / 25 % 4))::uuid END,
       first.id,
       CASE mode.name WHEN 'full' THEN '{home,"for later",phone,Käse,"with Sam"}'::text[]
                      WHEN 'lists' THEN ARRAY['label ' || task.place % 12, 'label ' || 12 + task.place % 5] ELSE '{}' END,
       CASE mode.name WHEN 'full' THEN '[{"minutes_before": 30}, {"at": "2030-01-01T08:00:00.000000Z"}]'::jsonb
                      ELSE '[]' END
  FROM mode CROSS JOIN bench.tasks AS task JOIN places USING (place)
  LEFT JOIN bench.tasks AS first
    ON mode.name = 'lists' AND first.user_id = task.user_id AND first.place = task.place - (task.place - 1) % 25
       AND first.place <> task.place AND NOT first.is_completed AND first.deleted_at IS NULL;

INSERT INTO todo.reminders (user_id, task_id, reminder, fires_at)
SELECT user_id, id, present.reminder, present.fires_at
  FROM todo.tasks, todo.reminders_of(reminders, due_at) AS present
 WHERE reminders <> '[]' AND NOT is_completed AND deleted_at IS NULL
   AND present.fires_at > statement_timestamp() - interval '1 day';

UPDATE todo.users SET change_no = last.place
  FROM (SELECT user_id, max(place) AS place FROM bench.tasks GROUP BY user_id) AS last
 WHERE users.id = last.user_id;
