const priority = { type: 'string', enum: ['none', 'low', 'medium', 'high', 'urgent'] }
const instant = { type: 'string', format: 'date-time' }

const given = {
  title: { type: 'string', minLength: 1, maxLength: 255 },
  description: { type: 'string', maxLength: 10000 },
  is_completed: { type: 'boolean' },
  priority,
  due_on: { type: 'string', format: 'date', nullable: true },
  due_at: { ...instant, nullable: true }
}

const task = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    owner_id: { type: 'string' },
    ...given,
    completed_at: { ...instant, nullable: true },
    created_at: instant,
    updated_at: instant
  }
}

const params = { type: 'object', properties: { id: { type: 'string', format: 'uuid' } } }

export const list = {
  querystring: {
    type: 'object',
    properties: {
      skip: { type: 'integer', minimum: 0, default: 0 },
      limit: { type: 'integer', minimum: 1, maximum: 100, default: 50 },
      is_completed: { type: 'boolean' },
      priority,
      q: { type: 'string', minLength: 1, maxLength: 200 }
    }
  },
  response: { 200: { type: 'object', properties: { data: { type: 'array', items: task } } } }
}

export const read = { params, response: { 200: task } }

export const create = {
  body: {
    type: 'object',
    required: ['title'],
    additionalProperties: false,
    properties: {
      ...given,
      description: { ...given.description, default: '' },
      is_completed: { ...given.is_completed, default: false },
      priority: { ...priority, default: 'none' },
      due_on: { ...given.due_on, default: null },
      due_at: { ...given.due_at, default: null }
    }
  },
  response: { 201: task }
}

export const update = {
  params,
  body: { type: 'object', minProperties: 1, additionalProperties: false, properties: given },
  response: { 200: task }
}

export const remove = { params }
