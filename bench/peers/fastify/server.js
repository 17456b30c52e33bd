// node server.js PORT WORKERS
import cluster from 'node:cluster'

import { build } from './app.js'

const [port, workers] = process.argv.slice(2).map(Number)

if (cluster.isPrimary && workers > 1) {
  for (let count = 0; count < workers; count++) cluster.fork()
  process.on('SIGTERM', () => process.exit()) // the workers end with their channel to this process
} else {
  const app = build()
  process.on('SIGTERM', () => app.close().then(() => process.exit()))
  await app.listen({ host: '127.0.0.1', port })
}
