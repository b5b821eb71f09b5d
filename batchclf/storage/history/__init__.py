"""history.sqlite: its schema, its rows, opening and migrating it."""
