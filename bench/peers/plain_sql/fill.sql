INSERT INTO users (id, email, hashed_password) SELECT id, email, '' FROM bench.users;

-- Deleted tasks are gone here: these tables have no trash.
INSERT INTO tasks (id, owner_id, title, description, is_completed, completed_at, priority, due_on, due_at, created_at,
                   updated_at)
SELECT id, user_id, title, description, is_completed, completed_at,
       ('{none,low,medium,high,urgent}'::text[])[priority + 1], due_on, due_at, created_at, updated_at
  FROM bench.tasks WHERE deleted_at IS NULL ORDER BY created_at;

CREATE TABLE bench.spare AS
SELECT tasks.* FROM tasks JOIN bench.users ON users.id = tasks.owner_id WHERE users.is_spare;
