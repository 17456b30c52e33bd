"""Create the tables that are absent: `python -m bench.peers.plain_sql.create`."""

import os
from pathlib import Path

import psycopg

with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    connection.execute(Path(__file__).with_name("tables.sql").read_bytes())
