"""DuckDB's way from a CSV file to lines of JSON, as text: what a person in a hurry would pipe."""

import sys

import duckdb


def main() -> None:
    """Writes the file's rows to standard output."""
    name = sys.argv[1].replace("'", "''")
    rows = f"SELECT * FROM read_csv('{name}', all_varchar = true)"
    duckdb.execute(f"COPY ({rows}) TO '/dev/stdout' (FORMAT json)")


if __name__ == "__main__":
    main()
