import jwt from '@fastify/jwt'
import Fastify from 'fastify'

import { sql } from './database.js'
import { tasks } from './tasks.js'

export function build() {
  const app = Fastify({ logger: true })
  app.register(jwt, { secret: process.env.SECRET_KEY })
  app.decorate('authenticate', authenticate)
  app.addHook('onClose', () => sql.end({ timeout: 5 }))
  app.register(tasks, { prefix: '/v1/tasks' })
  return app
}

async function authenticate(request, reply) {
  await request.jwtVerify()
  const [user] = await sql`SELECT id, email, is_active FROM users WHERE id = ${request.user.sub}`
  if (!user?.is_active) return reply.code(401).send({ message: 'Unknown or inactive user' })
  request.user = user
}
