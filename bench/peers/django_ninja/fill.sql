INSERT INTO auth_user (id, username, password, first_name, last_name, email, is_staff, is_active, is_superuser, date_joined)
SELECT number + 1, email, '', '', '', email, false, true, false, now() FROM bench.users;
SELECT setval('auth_user_id_seq', (SELECT max(id) FROM auth_user));

INSERT INTO django_ninja_token (key, user_id, created) SELECT key, number + 1, now() FROM bench.users;

-- Deleted tasks are gone here: these tables have no trash.
INSERT INTO django_ninja_task (id, owner_id, title, description, is_completed, completed_at, priority, due_on, due_at,
                               created_at, updated_at)
SELECT task.id, owner.number + 1, title, description, is_completed, completed_at,
       ('{none,low,medium,high,urgent}'::text[])[priority + 1], due_on, due_at, created_at, updated_at
  FROM bench.tasks AS task JOIN bench.users AS owner ON owner.id = task.user_id
 WHERE deleted_at IS NULL ORDER BY created_at;

CREATE TABLE bench.spare AS
SELECT task.* FROM django_ninja_task AS task JOIN bench.users ON users.number + 1 = task.owner_id WHERE users.is_spare;
