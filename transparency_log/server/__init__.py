"""The two programs: `openpcc-log` keeps a log, `openpcc-witness` cosigns logs of others."""
