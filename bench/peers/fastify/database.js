import postgres from 'postgres'

// Where the database is comes from PGHOST, PGDATABASE and PGUSER, which postgres.js reads by itself.
export const sql = postgres({
  max: Number(process.env.POOL_SIZE),
  types: {
    // A day stays a text: as a Date of JavaScript it would get an hour and a time zone.
    date: { to: 1082, from: [1082], serialize: (day) => day, parse: (day) => day }
  }
})
