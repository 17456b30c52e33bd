"""The tables of the peers without an ORM, which are two files of SQL."""
