INSERT INTO "user" (id, email, hashed_password, is_active, is_superuser)
SELECT id, email, '', true, false FROM bench.users;

-- Deleted tasks are gone here: these tables have no trash.
INSERT INTO task (id, owner_id, title, description, is_completed, completed_at, priority, due_on, due_at, created_at,
                  updated_at)
SELECT id, user_id, title, description, is_completed, completed_at,
       (enum_range(NULL::priority))[priority + 1], due_on, due_at, created_at, updated_at
  FROM bench.tasks WHERE deleted_at IS NULL ORDER BY created_at;

CREATE TABLE bench.spare AS
SELECT task.* FROM task JOIN bench.users ON users.id = task.owner_id WHERE users.is_spare;
