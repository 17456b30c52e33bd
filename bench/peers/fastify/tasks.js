import { sql } from './database.js'
import * as schemas from './schemas.js'

const NOT_FOUND = { message: 'Task not found' }

// The owner stands in every WHERE.
export async function tasks(app) {
  app.addHook('onRequest', app.authenticate)

  app.get('/', { schema: schemas.list }, async (request) => {
    const { skip, limit, is_completed, priority, q } = request.query
    const data = await sql`
      SELECT * FROM tasks
       WHERE owner_id = ${request.user.id}
         ${is_completed === undefined ? sql`` : sql`AND is_completed = ${is_completed}`}
         ${priority === undefined ? sql`` : sql`AND priority = ${priority}`}
         ${q === undefined ? sql`` : sql`AND (title ILIKE ${`%${q}%`} OR description ILIKE ${`%${q}%`})`}
       ORDER BY created_at DESC LIMIT ${limit} OFFSET ${skip}`
    return { data }
  })

  app.get('/:id', { schema: schemas.read }, async (request, reply) => {
    const [task] = await sql`SELECT * FROM tasks WHERE id = ${request.params.id} AND owner_id = ${request.user.id}`
    return task ?? reply.code(404).send(NOT_FOUND)
  })

  app.post('/', { schema: schemas.create }, async (request, reply) => {
    const { body, user } = request
    const completed_at = body.is_completed ? new Date() : null
    const [task] = await sql`INSERT INTO tasks ${sql({ ...body, completed_at, owner_id: user.id })} RETURNING *`
    return reply.code(201).send(task)
  })

  app.patch('/:id', { schema: schemas.update }, async (request, reply) => {
    const { body, params, user } = request
    const [task] = await sql`
      UPDATE tasks
         SET ${sql(body)}, updated_at = now()
             ${body.is_completed === undefined ? sql`` : sql`, completed_at = ${completion(body)}`}
       WHERE id = ${params.id} AND owner_id = ${user.id} RETURNING *`
    return task ?? reply.code(404).send(NOT_FOUND)
  })

  app.delete('/:id', { schema: schemas.remove }, async (request, reply) => {
    const { count } = await sql`DELETE FROM tasks WHERE id = ${request.params.id} AND owner_id = ${request.user.id}`
    return count ? reply.code(204).send() : reply.code(404).send(NOT_FOUND)
  })
}

function completion({ is_completed }) {
  return is_completed ? sql`coalesce(completed_at, now())` : sql`NULL`
}
