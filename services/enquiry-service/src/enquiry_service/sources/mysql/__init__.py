"""MariaDB and MySQL as data sources."""
